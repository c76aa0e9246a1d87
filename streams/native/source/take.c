/* Reading: the plain records of a run, folded and looked through for asks. It does for them what
 * streams/stages/intake.py does for any record, in the same order, and stops at the first that is
 * not plain. What it calls of a record is C as well, so no Python code runs while it is at work, and
 * nobody changes the tables or the list meanwhile.
 */
#include "record.h"
#include "types.h"
#include "xxh3.h"

#include <structmember.h>

enum {
    BLOCK = 16,         /* records whose memory is asked for together, well before its use */
    AT_ONCE = 4096,     /* records a call, some milliseconds, in which no other thread runs */
    CACHE_LINE = 64,
};
static const int64_t EARLIEST_MS = 100000000000, LATEST_MS = 100000000000000; /* schemas.codec */
static const int64_t DAY_MS = 86400000;
static const Py_ssize_t MAX_EVENT_BYTES = 262144;
static const struct text DEFAULT_SURFACE = {"main", 4};

struct reading {
    PyObject_HEAD
    struct hot_states *users;
    struct newest_asks *asks;   /* where the run's asks go, NULL: nowhere */
    struct recent_asks *recent; /* of the run's origin, NULL: another region answers */
    PyObject *source;           /* goes with each ask */
    PyObject *others;           /* tuple of the RecentAsks of other origins */
    uint32_t asking;            /* the kinds that ask, a bit each */
    int64_t answered_before_ms; /* asks before it had an answer */
    int64_t unsure_to_ms;       /* asks up to it may have had one, which Python knows */
    double sampled_below;       /* of the upper half of a user's hash, where another answers */
    char is_cold;               /* whether the first ask is taken, sampled or not */
    char marks_all;             /* whether who is touched counts as changed */
};

/* A record on its way. */
struct work {
    PyObject *value; /* held */
    int64_t appended_at_ms, offset;
    struct event event;
    uint64_t user_hash, event_hash, surface_hash, ask_key, place_hash;
    struct user *user;
};

/* Whether it is a record with a value and nothing else, which is read then and held; -1: an
 * exception.
 */
static int fetch(struct work *work, PyObject *record) {
    int is_plain = record_read(record, &work->value, &work->appended_at_ms, &work->offset);
    if (is_plain != 1)
        return is_plain;
    if (!PyBytes_CheckExact(work->value) || PyBytes_GET_SIZE(work->value) > MAX_EVENT_BYTES) {
        Py_DECREF(work->value);
        return 0;
    }
    const char *value = PyBytes_AS_STRING(work->value);
    for (Py_ssize_t at = 0; at < PyBytes_GET_SIZE(work->value); at += CACHE_LINE)
        __builtin_prefetch(value + at);
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
    const uint8_t *begin = entries_begin(history, INTERACTION_BYTES);
    for (size_t at = 0; at < (history->count + 1) * INTERACTION_BYTES; at += CACHE_LINE)
        __builtin_prefetch(begin + at);
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

/* How many of the records at the front are plain and were taken; -1: an exception. Each step asks
 * for the memory of the next, so that a block waits for it once and not each record.
 */
static Py_ssize_t take_block(const struct reading *reading, PyObject *const *records,
                             Py_ssize_t count) {
    struct work works[BLOCK];
    Py_ssize_t fetched = 0, scanned = 0, found = 0, taken = 0;
    int is_plain = 1;
    while (fetched < count && (is_plain = fetch(&works[fetched], records[fetched])) == 1)
        fetched++;
    while (scanned < fetched && scan(reading, &works[scanned]))
        scanned++;
    for (Py_ssize_t at = 0; at < scanned; at++)
        hot_prefetch_user(&reading->users->hot, works[at].user_hash);
    while (found < scanned && find_user(reading, &works[found]))
        found++;
    for (Py_ssize_t at = 0; at < found; at++)
        if (is_asking(reading, &works[at]))
            newest_prefetch_ask(&reading->asks->newest, works[at].place_hash);
    while (taken < found && take(reading, &works[taken]))
        taken++;
    for (Py_ssize_t at = 0; at < fetched; at++)
        Py_DECREF(works[at].value);
    if (is_plain < 0)
        return -1;
    if (taken < found) {
        PyErr_NoMemory();
        return -1;
    }
    return taken;
}

static PyObject *reading_take(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    const struct reading *reading = (struct reading *)self;
    if (count != 2 || !PyList_CheckExact(args[0]) || !PyLong_CheckExact(args[1]))
        return PyErr_Format(PyExc_TypeError, "take(records: list, begin: int) is wanted");
    PyObject *const *records = ((PyListObject *)args[0])->ob_item;
    Py_ssize_t at = PyLong_AsSsize_t(args[1]), size = PyList_GET_SIZE(args[0]);
    if (at < 0 || at > size)
        return PyErr_Format(PyExc_IndexError, "%zd is no place among %zd records", at, size);
    Py_ssize_t end = size - at < AT_ONCE ? size : at + AT_ONCE, taken;
    do {
        Py_ssize_t wanted = end - at < BLOCK ? end - at : BLOCK;
        for (Py_ssize_t ahead = at + wanted; ahead < at + 2 * wanted && ahead < size; ahead++)
            __builtin_prefetch(records[ahead]);
        if ((taken = take_block(reading, records + at, wanted)) < 0)
            return NULL;
        at += taken;
    } while (taken == BLOCK && at < end);
    return PyLong_FromSsize_t(at);
}

static int reading_init(PyObject *self, PyObject *args, PyObject *keywords) {
    static char *names[] = {"users", "asks", "source", "recent", "others", "asking", "answered_before_ms",
                            "unsure_to_ms", "sampled_below", "is_cold", "marks_all", NULL};
    struct reading *reading = (struct reading *)self;
    PyObject *users, *asks = Py_None, *recent = Py_None, *source = Py_None, *others = NULL;
    unsigned int asking = 0;
    long long answered_before_ms = 0, unsure_to_ms = 0;
    double sampled_below = 0;
    int is_cold = 0, marks_all = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!|OOOO!ILLdpp", names, &HotStatesType,
                                     &users, &asks, &source, &recent, &PyTuple_Type, &others, &asking,
                                     &answered_before_ms, &unsure_to_ms, &sampled_below, &is_cold,
                                     &marks_all))
        return -1;
    bool is_typed = (asks == Py_None || Py_IS_TYPE(asks, &NewestAsksType)) &&
                    (recent == Py_None || Py_IS_TYPE(recent, &RecentAsksType));
    for (Py_ssize_t other = 0; others != NULL && other < PyTuple_GET_SIZE(others); other++)
        is_typed = is_typed && Py_IS_TYPE(PyTuple_GET_ITEM(others, other), &RecentAsksType);
    if (!is_typed || reading->users != NULL) {
        PyErr_SetString(PyExc_TypeError, "a Reading takes asks and recent asks of this module");
        return -1;
    }
    if ((others = others == NULL ? PyTuple_New(0) : Py_NewRef(others)) == NULL)
        return -1;
    reading->users = (struct hot_states *)Py_NewRef(users);
    reading->asks = asks == Py_None ? NULL : (struct newest_asks *)Py_NewRef(asks);
    reading->recent = recent == Py_None ? NULL : (struct recent_asks *)Py_NewRef(recent);
    reading->source = Py_NewRef(source);
    reading->others = others;
    reading->asking = asking;
    reading->answered_before_ms = answered_before_ms;
    reading->unsure_to_ms = unsure_to_ms;
    reading->sampled_below = sampled_below;
    reading->is_cold = (char)is_cold;
    reading->marks_all = (char)marks_all;
    return 0;
}

static void reading_dealloc(PyObject *self) {
    struct reading *reading = (struct reading *)self;
    Py_XDECREF(reading->users);
    Py_XDECREF(reading->asks);
    Py_XDECREF(reading->recent);
    Py_XDECREF(reading->source);
    Py_XDECREF(reading->others);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef METHODS[] = {
    {"take", (PyCFunction)(void (*)(void))reading_take, METH_FASTCALL,
     "take(records, begin): fold those from there on; where it stopped, at the first that is not"
     " plain, or because that is enough at once."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef MEMBERS[] = {
    {"is_cold", T_BOOL, offsetof(struct reading, is_cold), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject ReadingType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hot.Reading",
    .tp_basicsize = sizeof(struct reading),
    .tp_dealloc = reading_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "How the plain records of one run are taken.",
    .tp_methods = METHODS,
    .tp_members = MEMBERS,
    .tp_init = reading_init,
    .tp_new = PyType_GenericNew,
};
