/* Reading as Python sees it. */
#include "reading.h"

#include <structmember.h>

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
    reading->missing = Py_NewRef(Py_None);
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
    Py_XDECREF(reading->missing);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *take(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 2 || !PyList_CheckExact(args[0]) || !PyLong_CheckExact(args[1]))
        return PyErr_Format(PyExc_TypeError, "take(records: list, begin: int) is wanted");
    Py_ssize_t begin = PyLong_AsSsize_t(args[1]), size = PyList_GET_SIZE(args[0]);
    if (begin < 0 || begin > size)
        return PyErr_Format(PyExc_IndexError, "%zd is no place among %zd records", begin, size);
    if (((struct reading *)self)->users == NULL)
        return PyErr_Format(PyExc_TypeError, "this Reading was not made");
    Py_ssize_t end = reading_take((struct reading *)self, args[0], begin);
    return end < 0 ? NULL : PyLong_FromSsize_t(end);
}

static PyMethodDef METHODS[] = {
    {"take", (PyCFunction)(void (*)(void))take, METH_FASTCALL,
     "take(records, begin): fold those from there on; where it stopped, at the first that is not"
     " plain, or because that is enough at once."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef MEMBERS[] = {
    {"is_cold", T_BOOL, offsetof(struct reading, is_cold), 0, NULL},
    {"missing", T_OBJECT_EX, offsetof(struct reading, missing), READONLY,
     "Who is not hot, where that alone stopped `take`."},
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
