/* The plain records of a run, folded and looked through for asks. It does for them what
 * streams/stages/intake.py does for any record, in the same order, and stops at the first that is
 * not plain. Reading a record makes Python objects, which may start the garbage collector and with
 * it any code; so all records of a block are read before any user is looked up.
 */
#include "reading.h"
#include "record.h"
#include "xxh3.h"

enum {
    BLOCK = 16,         /* records whose memory is asked for together, well before its use */
    AT_ONCE = 4096,     /* records a call, some milliseconds, in which no other thread runs */
    RECORD_BYTES = 128, /* of a record itself */
    CACHE_LINE = 64,
};
static const struct text DEFAULT_SURFACE = {"main", 4};

/* A record on its way. */
struct work {
    PyObject *value; /* held */
    int64_t appended_at_ms, offset;
    struct event event;
    uint64_t user_hash, event_hash, surface_hash, ask_key, place_hash;
    struct user *user;
};

static void prefetch(const void *memory, size_t size) {
    for (size_t at = 0; at < size; at += CACHE_LINE)
        __builtin_prefetch((const char *)memory + at);
}

/* Whether it is a record with a value and nothing else, which is read then and held; -1: an
 * exception.
 */
static int fetch(struct work *work, PyObject *records, Py_ssize_t at) {
    if (at >= PyList_GET_SIZE(records))
        return 0;
    PyObject *record = Py_NewRef(PyList_GET_ITEM(records, at));
    int is_plain = record_read(record, &work->value, &work->appended_at_ms, &work->offset);
    Py_DECREF(record);
    if (is_plain != 1)
        return is_plain;
    if (!PyBytes_CheckExact(work->value) || PyBytes_GET_SIZE(work->value) > MAX_EVENT_BYTES) {
        Py_DECREF(work->value);
        return 0;
    }
    prefetch(PyBytes_AS_STRING(work->value), (size_t)PyBytes_GET_SIZE(work->value));
    return 1;
}

static bool has_plain_times(const struct work *work) {
    return work->event.at_ms >= EARLIEST_MS && work->appended_at_ms < LATEST_MS &&
           work->event.at_ms <= work->appended_at_ms + DAY_MS;
}

static bool is_asking(const struct reading *reading, const struct work *work) {
    return reading->asks != NULL && reading->asking & 1U << work->event.kind;
}

static bool scan(const struct reading *reading, struct work *work) {
    struct event *event = &work->event;
    if (!scan_event(PyBytes_AS_STRING(work->value), (size_t)PyBytes_GET_SIZE(work->value), event))
        return false;
    if (!has_plain_times(work))
        return false;
    if (event->surface.at == NULL)
        event->surface = DEFAULT_SURFACE;
    bool asks = is_asking(reading, work);
    if (asks && reading->recent != NULL && work->appended_at_ms <= reading->unsure_to_ms)
        return false;
    const struct hot *hot = &reading->users->hot;
    work->user_hash = hot_hash(hot, event->user_id.at, event->user_id.size);
    work->event_hash = xxh3((const uint8_t *)event->event_id.at, event->event_id.size, 0);
    hot_prefetch(hot, work->user_hash);
    if (asks)
        work->surface_hash = xxh3((const uint8_t *)event->surface.at, event->surface.size, 0);
    if (asks && reading->recent != NULL) {
        work->ask_key = recent_key(work->user_hash, work->event_hash, work->surface_hash);
        recent_prefetch(&reading->recent->recent, work->ask_key);
    }
    return true;
}

static bool find_user(const struct reading *reading, struct work *work) {
    struct text id = work->event.user_id;
    work->user = hot_find(&reading->users->hot, work->user_hash, id.at, id.size);
    if (work->user == NULL)
        return false;
    const struct entries *history = &work->user->state.history;
    prefetch(entries_begin(history, INTERACTION_BYTES), (history->count + 1U) * INTERACTION_BYTES);
    if (is_asking(reading, work)) {
        work->place_hash = newest_hash(work->user->serial, work->surface_hash);
        newest_prefetch(&reading->asks->newest, work->place_hash);
    }
    return true;
}

static bool is_sampled(const struct reading *reading, const struct work *work) {
    struct text id = work->event.user_id;
    uint64_t hash = xxh3((const uint8_t *)id.at, id.size, 0);
    if ((double)(hash >> 32) < reading->sampled_below)
        return true;
    return reading->is_cold && reading->asks->newest.count == 0;
}

/* 1: nobody answered it; 0: somebody did; -1 without memory. */
static int is_open(const struct reading *reading, const struct work *work) {
    if (work->appended_at_ms < reading->answered_before_ms)
        return 0;
    for (Py_ssize_t other = 0; other < PyTuple_GET_SIZE(reading->others); other++) {
        PyObject *recent = PyTuple_GET_ITEM(reading->others, other);
        if (recent_knows(&((struct recent_asks *)recent)->recent, work->ask_key,
                         work->appended_at_ms))
            return 0;
    }
    return recent_add(&reading->recent->recent, work->ask_key, work->appended_at_ms);
}

/* False without memory. */
static bool fold(const struct reading *reading, const struct work *work) {
    struct hot *hot = &reading->users->hot;
    struct user *user = work->user;
    if (!hot_may_mark(hot))
        return false;
    hot_touch(hot, user);
    enum change change =
        state_fold(&user->state, &work->event, work->event_hash, work->appended_at_ms);
    if (change == CHANGED || reading->marks_all)
        hot_mark(hot, user);
    return change != NO_MEMORY;
}

static bool take(const struct reading *reading, const struct work *work) {
    if (!fold(reading, work))
        return false;
    if (!is_asking(reading, work))
        return true;
    int is_taken =
        reading->recent == NULL ? is_sampled(reading, work) : is_open(reading, work);
    if (is_taken != 1)
        return is_taken == 0;
    struct ask ask = {
        .place_hash = work->place_hash,
        .user = work->user->serial,
        .appended_at_ms = work->appended_at_ms,
        .offset = work->offset,
        .source = reading->source,
        .value = PyBytes_AS_STRING(work->value),
        .size = (size_t)PyBytes_GET_SIZE(work->value),
        .surface = work->event.surface,
        .event_id = work->event.event_id,
    };
    return newest_put(&reading->asks->newest, &ask);
}

/* False with an exception. */
static bool note_missing(struct reading *reading, const struct event *event) {
    if (!leaves_a_trace(event->kind)) /* he is not kept for that, nor looked for twice */
        return true;
    PyObject *missing =
        PyUnicode_FromStringAndSize(event->user_id.at, (Py_ssize_t)event->user_id.size);
    if (missing == NULL)
        return false;
    Py_SETREF(reading->missing, missing);
    return true;
}

/* How many of the records from `at` on are plain and were taken, of a block of `count`; -1: an
 * exception. Each step asks for the memory of the next, so that a block waits for it once and not
 * each record.
 */
static Py_ssize_t take_block(struct reading *reading, PyObject *records, Py_ssize_t at,
                             Py_ssize_t count) {
    struct work works[BLOCK];
    Py_ssize_t fetched = 0, scanned = 0, found = 0, taken = 0;
    int is_plain = 1;
    while (fetched < count && (is_plain = fetch(&works[fetched], records, at + fetched)) == 1)
        fetched++;
    while (scanned < fetched && scan(reading, &works[scanned]))
        scanned++;
    for (Py_ssize_t each = 0; each < scanned; each++)
        hot_prefetch_user(&reading->users->hot, works[each].user_hash);
    while (found < scanned && find_user(reading, &works[found]))
        found++;
    for (Py_ssize_t each = 0; each < found; each++)
        if (is_asking(reading, &works[each]))
            newest_prefetch_ask(&reading->asks->newest, works[each].place_hash);
    while (taken < found && take(reading, &works[taken]))
        taken++;
    bool is_done = is_plain >= 0;
    if (is_done && taken < found) {
        PyErr_NoMemory();
        is_done = false;
    } else if (is_done && found < scanned) {
        is_done = note_missing(reading, &works[found].event);
    }
    for (Py_ssize_t each = 0; each < fetched; each++)
        Py_DECREF(works[each].value);
    return is_done ? taken : -1;
}

/* Blocks begin small: behind a record that was not plain the next one may not be, either, and what
 * was read ahead of it is read again.
 */
Py_ssize_t reading_take(struct reading *reading, PyObject *records, Py_ssize_t begin) {
    Py_ssize_t at = begin, block = 1, taken;
    Py_SETREF(reading->missing, Py_NewRef(Py_None));
    do {
        Py_ssize_t left = PyList_GET_SIZE(records) - at;
        Py_ssize_t count = left < block ? left : block;
        for (Py_ssize_t ahead = at + count; ahead < at + 2 * count && ahead < at + left; ahead++)
            prefetch(PyList_GET_ITEM(records, ahead), RECORD_BYTES);
        if ((taken = take_block(reading, records, at, count)) < 0)
            return -1;
        at += taken;
        if (taken < block) /* one that is not plain, or the end */
            break;
        block = block < BLOCK ? block * 2 : BLOCK;
    } while (at - begin < AT_ONCE);
    return at;
}
