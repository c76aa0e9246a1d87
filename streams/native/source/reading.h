/* Reading: how the plain records of one run are taken. */
#ifndef TIDEMILL_READING_H
#define TIDEMILL_READING_H

#include "types.h"

/* Of schemas.codec and schemas.topics. */
static const int64_t EARLIEST_MS = 100000000000, LATEST_MS = 100000000000000, DAY_MS = 86400000;
static const Py_ssize_t MAX_EVENT_BYTES = 262144;

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
    PyObject *missing;          /* who is not hot, where that alone stopped it; or None */
};

/* Folds records from a place in a list on, up to the first that is not plain, or until that is
 * enough at once. Where it stopped; -1 with an exception.
 */
Py_ssize_t reading_take(struct reading *reading, PyObject *records, Py_ssize_t begin);

#endif
