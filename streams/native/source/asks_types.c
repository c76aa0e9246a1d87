/* RecentAsks and NewestAsks as Python sees them. */
#include "types.h"
#include "xxh3.h"

static bool read_hash(PyObject *text, uint64_t seed, uint64_t *hash) {
    Py_ssize_t size;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &size);
    if (bytes == NULL)
        return false;
    /* No longer text is the id of an event or a user, or a surface: codec.py refuses it. */
    *hash = xxh3((const uint8_t *)bytes, size < XXH3_LONGEST ? (size_t)size : XXH3_LONGEST, seed);
    return true;
}

PyObject *recent_ask(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count) {
    uint64_t user, event, surface;
    if (count != 3)
        return PyErr_Format(PyExc_TypeError, "user_id, event_id and surface are wanted");
    if (!read_hash(args[0], hash_seed, &user) || !read_hash(args[1], 0, &event) ||
        !read_hash(args[2], 0, &surface))
        return NULL;
    return PyLong_FromUnsignedLongLong(recent_key(user, event, surface));
}

/* (what recent_ask gave, append time) */
static bool read_ask(PyObject *const *args, Py_ssize_t count, uint64_t *key, int64_t *time_ms) {
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "an ask and its append time are wanted");
        return false;
    }
    *key = PyLong_AsUnsignedLongLong(args[0]);
    if (!PyErr_Occurred())
        *time_ms = PyLong_AsLongLong(args[1]);
    return !PyErr_Occurred();
}

static PyObject *recent_asks_add(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    uint64_t key;
    int64_t time_ms;
    if (!read_ask(args, count, &key, &time_ms))
        return NULL;
    int is_added = recent_add(&((struct recent_asks *)self)->recent, key, time_ms);
    return is_added < 0 ? PyErr_NoMemory() : PyBool_FromLong(is_added);
}

static PyObject *recent_asks_knows(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    uint64_t key;
    int64_t time_ms;
    if (!read_ask(args, count, &key, &time_ms))
        return NULL;
    return PyBool_FromLong(recent_knows(&((struct recent_asks *)self)->recent, key, time_ms));
}

static Py_ssize_t recent_asks_length(PyObject *self) {
    const struct recent *recent = &((struct recent_asks *)self)->recent;
    return (Py_ssize_t)(recent->young.count + recent->old.count);
}

static void recent_asks_dealloc(PyObject *self) {
    recent_clear(&((struct recent_asks *)self)->recent);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef RECENT_METHODS[] = {
    {"add", (PyCFunction)(void (*)(void))recent_asks_add, METH_FASTCALL,
     "False where the same ask was answered within the window before this one."},
    {"knows", (PyCFunction)(void (*)(void))recent_asks_knows, METH_FASTCALL,
     "Whether the same ask was answered within the window before this one."},
    {NULL, NULL, 0, NULL},
};

static PySequenceMethods RECENT_SEQUENCE = {.sq_length = recent_asks_length};

PyTypeObject RecentAsksType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hot.RecentAsks",
    .tp_basicsize = sizeof(struct recent_asks),
    .tp_dealloc = recent_asks_dealloc,
    .tp_as_sequence = &RECENT_SEQUENCE,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "See streams/stages/recent.py.",
    .tp_methods = RECENT_METHODS,
    .tp_new = PyType_GenericNew,
};

static PyObject *newest_asks_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"keeps_each", NULL};
    int keeps_each = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|p", names, &keeps_each))
        return NULL;
    struct newest_asks *asks = (struct newest_asks *)type->tp_alloc(type, 0);
    if (asks != NULL)
        asks->newest.keeps_each = keeps_each;
    return (PyObject *)asks;
}

static PyObject *newest_asks_take(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    struct newest *newest = &((struct newest_asks *)self)->newest;
    PyObject *found = PyList_New((Py_ssize_t)newest->count);
    for (size_t number = 0; found != NULL && number < newest->count; number++) {
        const struct ask *ask = &newest->asks[number];
        PyObject *one = Py_BuildValue("(Oy#LL)", ask->source, ask->value, (Py_ssize_t)ask->size,
                                      (long long)ask->appended_at_ms, (long long)ask->offset);
        if (one == NULL)
            Py_CLEAR(found);
        else
            PyList_SET_ITEM(found, (Py_ssize_t)number, one);
    }
    if (found != NULL)
        newest_clear(newest);
    return found;
}

static Py_ssize_t newest_asks_length(PyObject *self) {
    return (Py_ssize_t)((struct newest_asks *)self)->newest.count;
}

static void newest_asks_dealloc(PyObject *self) {
    newest_clear(&((struct newest_asks *)self)->newest);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef NEWEST_METHODS[] = {
    {"take", newest_asks_take, METH_NOARGS,
     "(source, value, append time, offset) of each, which is held no more."},
    {NULL, NULL, 0, NULL},
};

static PySequenceMethods NEWEST_SEQUENCE = {.sq_length = newest_asks_length};

PyTypeObject NewestAsksType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hot.NewestAsks",
    .tp_basicsize = sizeof(struct newest_asks),
    .tp_dealloc = newest_asks_dealloc,
    .tp_as_sequence = &NEWEST_SEQUENCE,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The newest ask of each place of a batch; `keeps_each`: every one of them.",
    .tp_methods = NEWEST_METHODS,
    .tp_new = newest_asks_new,
};
