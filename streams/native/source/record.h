/* A record as confluent_kafka gives it, by its own methods: called without looking them up for each
 * record, which costs as much as what they do.
 */
#ifndef TIDEMILL_RECORD_H
#define TIDEMILL_RECORD_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* Called once; false with an exception where its Message is not what this knows. */
bool record_prepare(void);

/* 1: it has no headers, and its value is held; 0: it has, or is no such record; -1: an exception. */
int record_read(PyObject *record, PyObject **value, int64_t *appended_at_ms, int64_t *offset);

#endif
