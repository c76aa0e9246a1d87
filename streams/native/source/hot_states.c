/* HotStates: what streams/state/users.py keeps of the hot users, their states as UserState made
 * anew whenever one is asked for.
 */
#include "types.h"

struct id {
    const char *bytes;
    size_t size;
    uint64_t hash;
};

static struct hot *hot_of(PyObject *self) {
    return &((struct hot_states *)self)->hot;
}

static bool read_id(const struct hot *hot, PyObject *user_id, struct id *id) {
    Py_ssize_t size;
    id->bytes = PyUnicode_AsUTF8AndSize(user_id, &size);
    if (id->bytes == NULL)
        return false;
    id->size = (size_t)size;
    id->hash = hot_hash(hot, id->bytes, id->size);
    return true;
}

/* The list and one more; NULL, and the list gone, with an exception. */
static PyObject *with_id(PyObject *ids, const struct user *user) {
    PyObject *text = PyUnicode_DecodeUTF8(user->id, (Py_ssize_t)user->id_size, NULL);
    if (text == NULL || PyList_Append(ids, text) < 0)
        Py_CLEAR(ids);
    Py_XDECREF(text);
    return ids;
}

static PyObject *put(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    struct hot_states *states = (struct hot_states *)self;
    struct state read = {0};
    struct id id;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "put(user_id, state) is wanted");
    if (!user_state_read(&states->python, args[1], &read) ||
        !read_id(&states->hot, args[0], &id)) {
        state_free(&read);
        return NULL;
    }
    struct user *user = hot_find(&states->hot, id.hash, id.bytes, id.size);
    if (user == NULL)
        user = hot_add(&states->hot, id.hash, id.bytes, id.size);
    if (user == NULL) {
        state_free(&read);
        return PyErr_NoMemory();
    }
    state_free(&user->state);
    user->state = read;
    hot_touch(&states->hot, user);
    Py_RETURN_NONE;
}

static PyObject *found(PyObject *self, PyObject *user_id, bool touches) {
    struct hot_states *states = (struct hot_states *)self;
    struct id id;
    if (!read_id(&states->hot, user_id, &id))
        return NULL;
    struct user *user = hot_find(&states->hot, id.hash, id.bytes, id.size);
    if (user == NULL)
        Py_RETURN_NONE;
    if (touches)
        hot_touch(&states->hot, user);
    return user_state_made(&states->python, &user->state);
}

static PyObject *touch(PyObject *self, PyObject *user_id) {
    return found(self, user_id, true);
}

static PyObject *peek(PyObject *self, PyObject *user_id) {
    return found(self, user_id, false);
}

static PyObject *is_young(PyObject *self, PyObject *user_id) {
    struct id id;
    if (!read_id(hot_of(self), user_id, &id))
        return NULL;
    struct user *user = hot_find(hot_of(self), id.hash, id.bytes, id.size);
    return PyBool_FromLong(user != NULL && user->is_young);
}

static PyObject *unmark(PyObject *self, PyObject *user_id) {
    struct id id;
    if (!read_id(hot_of(self), user_id, &id))
        return NULL;
    struct user *user = hot_find(hot_of(self), id.hash, id.bytes, id.size);
    if (user != NULL)
        hot_unmark(hot_of(self), user);
    Py_RETURN_NONE;
}

static PyObject *changed(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    struct hot *hot = hot_of(self);
    PyObject *ids = PyList_New(0);
    for (size_t number = 0; ids != NULL && number < hot->marked_count; number++) {
        struct user *user = hot->marked[number];
        if (!user->is_marked || user->is_told) /* flushed meanwhile; twice in the list */
            continue;
        ids = with_id(ids, user);
        user->is_told = true;
    }
    hot->marked_count = 0;
    hot->untold = 0;
    return ids;
}

static PyObject *ids_of(PyObject *self, bool with_young, bool with_old) {
    const struct hot *hot = hot_of(self);
    PyObject *ids = PyList_New(0);
    for (size_t at = 0; ids != NULL && at < hot->size; at++) {
        const struct user *user = hot->slots[at].user;
        if (user == NULL || !(user->is_young ? with_young : with_old))
            continue;
        ids = with_id(ids, user);
    }
    return ids;
}

static PyObject *ids(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    return ids_of(self, true, true);
}

static PyObject *old_ids(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    return ids_of(self, false, true);
}

static PyObject *age(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    struct hot *hot = hot_of(self);
    if (hot->untold > 0)
        return PyErr_Format(PyExc_RuntimeError, "ask who has changed before anybody is let go");
    if (!hot_age(hot))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *young(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromSize_t(hot_of(self)->young);
}

static PyObject *untold(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromSize_t(hot_of(self)->untold);
}

static Py_ssize_t length(PyObject *self) {
    return (Py_ssize_t)hot_of(self)->count;
}

static PyObject *new_states(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    static char *names[] = {"state_type", "no_maps", NULL};
    PyObject *state_type, *no_maps;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO!", names, &state_type, &PyTuple_Type,
                                     &no_maps))
        return NULL;
    struct hot_states *states = (struct hot_states *)type->tp_alloc(type, 0);
    if (states == NULL)
        return NULL;
    states->hot = (struct hot){.seed = hash_seed};
    states->python.type = Py_NewRef(state_type);
    states->python.no_maps = Py_NewRef(no_maps);
    return (PyObject *)states;
}

static void dealloc(PyObject *self) {
    struct hot_states *states = (struct hot_states *)self;
    hot_clear(&states->hot);
    Py_XDECREF(states->python.type);
    Py_XDECREF(states->python.no_maps);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef METHODS[] = {
    {"touch", touch, METH_O, "The state of a hot user, who is young from here on, or None."},
    {"peek", peek, METH_O, "The same, but it is no touch."},
    {"put", (PyCFunction)(void (*)(void))put, METH_FASTCALL, "put(user_id, state): he is young."},
    {"is_young", is_young, METH_O, NULL},
    {"unmark", unmark, METH_O, "He counts as unchanged."},
    {"changed", changed, METH_NOARGS, "Whom a Reading has changed since they were flushed or told of."},
    {"ids", ids, METH_NOARGS, "All hot users."},
    {"old_ids", old_ids, METH_NOARGS, "Whom `age` would let go."},
    {"age", age, METH_NOARGS, "The old are let go, the young grow old."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef PROPERTIES[] = {
    {"young", young, NULL, "How many were touched since the others grew old.", NULL},
    {"untold", untold, NULL, "Of how many `changed` has to tell.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PySequenceMethods SEQUENCE = {.sq_length = length};

PyTypeObject HotStatesType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hot.HotStates",
    .tp_basicsize = sizeof(struct hot_states),
    .tp_dealloc = dealloc,
    .tp_as_sequence = &SEQUENCE,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The hot users of a partition with their states, in two generations.",
    .tp_methods = METHODS,
    .tp_getset = PROPERTIES,
    .tp_new = new_states,
};
