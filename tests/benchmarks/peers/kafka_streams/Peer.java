import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams doing the work of the other engines: decode, fold the history into a RocksDB store
 * with a changelog, one slate per event, exactly_once_v2, one stream thread.
 *
 * <p>Arguments and progress lines are those of tests/benchmarks/peers/progress.py, the fold is that
 * of tests/benchmarks/peers/work.py. JSON is read by Jackson's streaming parser, which is the
 * fastest usual way.
 */
public final class Peer {
    private static final String TOPIC = "user-events";
    private static final String STORE = "histories";
    private static final long CACHE_BYTES = 256L * 1024 * 1024;

    private Peer() {}

    public static void main(String[] arguments) throws IOException {
        String output = arguments[1];
        long events = Long.parseLong(arguments[2]);
        Path folder = Path.of(arguments[3]);

        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, output);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder.resolve("state").toString());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        settings.put(StreamsConfig.producerPrefix("compression.type"), "lz4");

        Slate slate = new Slate(Files.readString(folder.resolve("slate.json")));
        Progress progress = new Progress(events);
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
                Stores.keyValueStoreBuilder(
                                Stores.persistentKeyValueStore(STORE),
                                Serdes.String(),
                                Serdes.ByteArray())
                        .withCachingEnabled());
        builder.stream(TOPIC, Consumed.with(Serdes.String(), Serdes.ByteArray()))
                .process(() -> new Folding(progress, slate), STORE)
                .to(output, Produced.with(Serdes.String(), Serdes.ByteArray()));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    /** Tells where the run is; all tasks are of one thread. */
    private static final class Progress {
        private final long events;
        private long done;

        Progress(long events) {
            this.events = events;
        }

        boolean take() {
            if (done >= events) {
                return false;
            }
            if (done == 0) {
                tell("first");
            }
            done++;
            if (done == events / 2) {
                tell("half");
            }
            if (done == events) {
                tell("last");
            }
            return true;
        }

        private static void tell(String line) {
            System.out.println(line);
            System.out.flush();
        }
    }

    /** Fills in the slate that all engines of a run write. */
    private static final class Slate {
        private final byte[] head;
        private final byte[] middle;
        private final byte[] tail;

        Slate(String text) {
            int user = text.indexOf("{user}");
            int event = text.indexOf("{event}");
            head = text.substring(0, user).getBytes(StandardCharsets.UTF_8);
            middle = text.substring(user + "{user}".length(), event).getBytes(StandardCharsets.UTF_8);
            tail = text.substring(event + "{event}".length()).getBytes(StandardCharsets.UTF_8);
        }

        byte[] of(String userId, String eventId) {
            byte[] user = userId.getBytes(StandardCharsets.UTF_8);
            byte[] event = eventId.getBytes(StandardCharsets.UTF_8);
            return ByteBuffer.allocate(
                            head.length + user.length + middle.length + event.length + tail.length)
                    .put(head)
                    .put(user)
                    .put(middle)
                    .put(event)
                    .put(tail)
                    .array();
        }
    }

    private static final class Folding implements Processor<String, byte[], String, byte[]> {
        private final Progress progress;
        private final Slate slate;
        private final JsonFactory json = new JsonFactory();
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, byte[]> histories;

        Folding(Progress progress, Slate slate) {
            this.progress = progress;
            this.slate = slate;
        }

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            histories = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<String, byte[]> record) {
            if (!progress.take()) {
                return;
            }
            Event event = decode(record.value());
            byte[] before = histories.get(event.userId);
            byte[] after = History.with(before == null ? new byte[0] : before, event);
            if (after != before) {
                histories.put(event.userId, after);
            }
            context.forward(record.withValue(slate.of(event.userId, event.eventId)));
        }

        private Event decode(byte[] value) {
            Event event = new Event();
            try (JsonParser parser = json.createParser(value)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    switch (name) {
                        case "user_id" -> event.userId = parser.getText();
                        case "event_id" -> event.eventId = parser.getText();
                        case "item_id" -> event.itemId = parser.getText();
                        case "at_ms" -> event.atMs = parser.getLongValue();
                        default -> parser.skipChildren();
                    }
                }
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return event;
        }
    }

    private static final class Event {
        private String userId;
        private String eventId;
        private String itemId;
        private long atMs;
    }

    /** The latest 50 interactions in the order of (time, event), 25 bytes each, big-endian. */
    private static final class History {
        private static final int LIMIT = 50;
        private static final int WIDTH = 25;
        private static final byte CLICK = 2;

        private History() {}

        /** The history with the event; the same object if the event is known already. */
        static byte[] with(byte[] history, Event event) {
            ByteBuffer entries = ByteBuffer.wrap(history);
            long id = hash(event.eventId);
            int count = history.length / WIDTH;
            int place = count;
            for (int entry = count - 1; entry >= 0; entry--) {
                long otherId = entries.getLong(entry * WIDTH + 6);
                if (otherId == id) {
                    return history;
                }
                long otherMs = entries.getLong(entry * WIDTH) >>> 16;
                if (isBefore(event.atMs, id, otherMs, otherId)) {
                    place = entry;
                }
            }
            int dropped = count == LIMIT ? 1 : 0;
            if (dropped > place) {
                return history;
            }
            ByteBuffer changed = ByteBuffer.allocate((count + 1 - dropped) * WIDTH);
            changed.put(history, dropped * WIDTH, (place - dropped) * WIDTH);
            changed.putShort((short) (event.atMs >>> 32)).putInt((int) event.atMs);
            changed.putLong(id).put(CLICK).putShort((short) 0).putLong(hash(event.itemId));
            changed.put(history, place * WIDTH, (count - place) * WIDTH);
            return changed.array();
        }

        private static boolean isBefore(long ms, long id, long otherMs, long otherId) {
            return ms != otherMs ? ms < otherMs : Long.compareUnsigned(id, otherId) < 0;
        }

        /** FNV-1a, 64 bits: any hash of 64 bits serves here. */
        private static long hash(String text) {
            long hash = 0xcbf29ce484222325L;
            for (int place = 0; place < text.length(); place++) {
                hash = (hash ^ text.charAt(place)) * 0x100000001b3L;
            }
            return hash;
        }
    }
}
