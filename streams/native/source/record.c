#include "record.h"

static PyTypeObject *message_type;
static PyCFunction get_headers, get_timestamp, get_value, get_offset;

static PyCFunction method_of(const char *name) {
    PyObject *method = PyObject_GetAttrString((PyObject *)message_type, name);
    PyCFunction function = NULL;
    if (method != NULL && Py_IS_TYPE(method, &PyMethodDescr_Type)) {
        const PyMethodDef *defined = ((PyMethodDescrObject *)method)->d_method;
        if (defined->ml_flags == METH_NOARGS)
            function = defined->ml_meth; /* lives as long as the type */
    }
    Py_XDECREF(method);
    if (function == NULL && !PyErr_Occurred())
        PyErr_Format(PyExc_ImportError, "Message.%s is not written in C", name);
    return function;
}

bool record_prepare(void) {
    PyObject *module = PyImport_ImportModule("confluent_kafka");
    PyObject *type = module == NULL ? NULL : PyObject_GetAttrString(module, "Message");
    Py_XDECREF(module);
    if (type == NULL || !PyType_Check(type)) {
        Py_XDECREF(type);
        return false;
    }
    message_type = (PyTypeObject *)type;
    return (get_headers = method_of("headers")) && (get_timestamp = method_of("timestamp")) &&
           (get_value = method_of("value")) && (get_offset = method_of("offset"));
}

static int has_no_headers(PyObject *record) {
    PyObject *headers = get_headers(record, NULL);
    if (headers == NULL)
        return -1;
    int is_none = headers == Py_None;
    Py_DECREF(headers);
    return is_none;
}

static int read_number(PyObject *number, int64_t *read) {
    if (number == NULL)
        return -1;
    if (!PyLong_CheckExact(number))
        return 0;
    *read = PyLong_AsLongLong(number);
    return *read == -1 && PyErr_Occurred() ? -1 : 1;
}

static int read_time(PyObject *record, int64_t *appended_at_ms) {
    PyObject *timestamp = get_timestamp(record, NULL); /* (type, ms) */
    if (timestamp == NULL)
        return -1;
    int is_read = 0;
    if (PyTuple_CheckExact(timestamp) && PyTuple_GET_SIZE(timestamp) == 2)
        is_read = read_number(PyTuple_GET_ITEM(timestamp, 1), appended_at_ms);
    Py_DECREF(timestamp);
    return is_read;
}

static int read_offset(PyObject *record, int64_t *offset) {
    PyObject *number = get_offset(record, NULL);
    int is_read = read_number(number, offset);
    Py_XDECREF(number);
    return is_read;
}

int record_read(PyObject *record, PyObject **value, int64_t *appended_at_ms, int64_t *offset) {
    if (!Py_IS_TYPE(record, message_type))
        return 0;
    int is_plain = has_no_headers(record);
    if (is_plain == 1)
        is_plain = read_time(record, appended_at_ms);
    if (is_plain == 1)
        is_plain = read_offset(record, offset);
    if (is_plain != 1)
        return is_plain;
    *value = get_value(record, NULL);
    return *value == NULL ? -1 : 1;
}
