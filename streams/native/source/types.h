/* The Python types of the module `hot`, which its files share. */
#ifndef TIDEMILL_TYPES_H
#define TIDEMILL_TYPES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "hot.h"
#include "newest.h"
#include "recent.h"
#include "user_state.h"

struct hot_states {
    PyObject_HEAD
    struct hot hot;
    struct user_state python;
};

struct recent_asks {
    PyObject_HEAD
    struct recent recent;
};

struct newest_asks {
    PyObject_HEAD
    struct newest newest;
};

extern PyTypeObject HotStatesType, RecentAsksType, NewestAsksType, ReadingType;

/* Chosen when the module is loaded, so that nobody can know which ids collide in its tables. */
extern uint64_t hash_seed;

/* A function of the module: (user_id, event_id, surface) -> what RecentAsks knows the ask by. */
PyObject *recent_ask(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
