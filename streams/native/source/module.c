/* The module `hot`: the way of a plain record through the `recommend` stage. Loaded by
 * streams/native/__init__.py, which compares RULES with those of the Python code.
 */
#include "fields.h"
#include "murmur2.h"
#include "reading.h"
#include "record.h"
#include "xxh3.h"

#include <string.h>

uint64_t hash_seed;

static PyObject *hash(PyObject *Py_UNUSED(module), PyObject *bytes) {
    if (!PyBytes_CheckExact(bytes) || PyBytes_GET_SIZE(bytes) > XXH3_LONGEST)
        return PyErr_Format(PyExc_ValueError, "up to %d bytes are wanted", XXH3_LONGEST);
    return PyLong_FromUnsignedLongLong(
        xxh3((const uint8_t *)PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes), 0));
}

static PyObject *place(PyObject *Py_UNUSED(module), PyObject *key) {
    Py_ssize_t size;
    const char *bytes = PyUnicode_AsUTF8AndSize(key, &size);
    if (bytes == NULL)
        return NULL;
    return PyLong_FromUnsignedLong(murmur2((const uint8_t *)bytes, (size_t)size) & INT32_MAX);
}

static bool choose_seed(void) {
    PyObject *os = PyImport_ImportModule("os");
    PyObject *random = os == NULL ? NULL : PyObject_CallMethod(os, "urandom", "n", sizeof hash_seed);
    if (random != NULL)
        memcpy(&hash_seed, PyBytes_AS_STRING(random), sizeof hash_seed);
    Py_XDECREF(os);
    Py_XDECREF(random);
    return random != NULL;
}

static bool add_rules(PyObject *module) {
    PyObject *rules = Py_BuildValue(
        "{sisisisis(IIIII)s(LLLLL)sLss}", "format", FORMAT, "bounds", BOUNDS_VERSION, "fold",
        FOLD_VERSION, "history", HISTORY_LIMIT, "maps", MAP_LIMITS[0], MAP_LIMITS[1],
        MAP_LIMITS[2], MAP_LIMITS[3], MAP_LIMITS[4], "times_ms", (long long)EARLIEST_MS,
        (long long)LATEST_MS, (long long)DAY_MS, (long long)FAST_CLOCK_MS, (long long)WINDOW_MS,
        "event_bytes", (long long)MAX_EVENT_BYTES, "events", EVENTS_DIGEST);
    bool is_added = rules != NULL && PyModule_AddObjectRef(module, "RULES", rules) == 0;
    Py_XDECREF(rules);
    return is_added;
}

static PyMethodDef FUNCTIONS[] = {
    {"hash", hash, METH_O, "XXH3, 64 bits, of up to 240 bytes."},
    {"place", place, METH_O, "By which Kafka's own clients place a key, 31 bits."},
    {"recent_ask", (PyCFunction)(void (*)(void))recent_ask, METH_FASTCALL,
     "What RecentAsks knows an ask by: of its user_id, event_id and surface."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "hot",
    .m_size = -1,
    .m_methods = FUNCTIONS,
};

PyMODINIT_FUNC PyInit_hot(void) {
    PyObject *module = PyModule_Create(&MODULE);
    if (module == NULL)
        return NULL;
    if (!choose_seed() || !record_prepare() || !add_rules(module) ||
        PyModule_AddType(module, &HotStatesType) < 0 ||
        PyModule_AddType(module, &RecentAsksType) < 0 ||
        PyModule_AddType(module, &NewestAsksType) < 0 ||
        PyModule_AddType(module, &ReadingType) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
