/* HotStates: what streams/state/users.py keeps of the hot users, their states as UserState made
 * anew whenever one is asked for.
 */
#include "types.h"

#include <string.h>

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

static PyObject *text_of(const struct user *user) {
    return PyUnicode_DecodeUTF8(user->id, (Py_ssize_t)user->id_size, NULL);
}

static PyObject *packed(const struct entries *entries, size_t width) {
    return PyBytes_FromStringAndSize((const char *)entries_begin(entries, width),
                                     (Py_ssize_t)(entries->count * width));
}

static PyObject *packed_maps(const struct hot_states *states, const struct state *state) {
    size_t count = 0;
    for (int map = 0; state->maps != NULL && map < MAPS; map++)
        count += state->maps->of[map].count;
    if (count == 0)
        return Py_NewRef(states->no_maps);
    PyObject *maps = PyTuple_New(MAPS);
    for (int map = 0; maps != NULL && map < MAPS; map++) {
        PyObject *entries = packed(&state->maps->of[map], MARK_BYTES);
        if (entries == NULL)
            Py_CLEAR(maps);
        else
            PyTuple_SET_ITEM(maps, map, entries);
    }
    return maps;
}

static PyObject *state_object(const struct hot_states *states, const struct state *state) {
    PyObject *made = NULL, *parts[4] = {
        PyLong_FromLongLong(state->erased_to_ms),
        PyLong_FromLongLong(state->newest_appended_ms),
        packed(&state->history, INTERACTION_BYTES),
        packed_maps(states, state),
    };
    if (parts[0] && parts[1] && parts[2] && parts[3])
        made = PyObject_Vectorcall(states->state_type, parts, 4, NULL);
    for (int part = 0; part < 4; part++)
        Py_XDECREF(parts[part]);
    return made;
}

static bool set_entries(struct entries *entries, size_t width, PyObject *bytes) {
    if (!PyBytes_CheckExact(bytes) || (size_t)PyBytes_GET_SIZE(bytes) % width != 0) {
        PyErr_SetString(PyExc_ValueError, "these are not packed entries");
        return false;
    }
    size_t count = (size_t)PyBytes_GET_SIZE(bytes) / width;
    const uint8_t *content = (const uint8_t *)PyBytes_AS_STRING(bytes);
    if (count > UINT32_MAX / 4 ||
        entries_set(entries, width, content, (uint32_t)count) == NO_MEMORY) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

static bool set_maps(struct state *state, PyObject *maps, PyObject *no_maps) {
    if (maps == no_maps && state->maps == NULL)
        return true;
    if (!PyTuple_CheckExact(maps) || PyTuple_GET_SIZE(maps) != MAPS) {
        PyErr_SetString(PyExc_ValueError, "these are not the maps of a state");
        return false;
    }
    for (int map = 0; map < MAPS; map++) {
        struct entries *entries = state_map(state, map);
        if (entries == NULL) {
            PyErr_NoMemory();
            return false;
        }
        if (!set_entries(entries, MARK_BYTES, PyTuple_GET_ITEM(maps, map)))
            return false;
    }
    return true;
}

static bool read_ms(PyObject *object, const char *name, int64_t *time_ms) {
    PyObject *number = PyObject_GetAttrString(object, name);
    if (number == NULL)
        return false;
    *time_ms = PyLong_AsLongLong(number);
    Py_DECREF(number);
    return !PyErr_Occurred();
}

static PyObject *put(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    struct hot_states *states = (struct hot_states *)self;
    struct id id;
    int64_t erased_to_ms, newest_ms;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "put(user_id, state) is wanted");
    if (!read_ms(args[1], "erased_to_ms", &erased_to_ms) ||
        !read_ms(args[1], "newest_appended_ms", &newest_ms) ||
        !read_id(&states->hot, args[0], &id))
        return NULL;
    PyObject *history = PyObject_GetAttrString(args[1], "history");
    PyObject *maps = PyObject_GetAttrString(args[1], "maps");
    struct user *user = NULL;
    if (history != NULL && maps != NULL) {
        user = hot_find(&states->hot, id.hash, id.bytes, id.size);
        if (user == NULL)
            user = hot_add(&states->hot, id.hash, id.bytes, id.size);
        if (user == NULL)
            PyErr_NoMemory();
    }
    bool is_put = user != NULL &&
                  set_entries(&user->state.history, INTERACTION_BYTES, history) &&
                  set_maps(&user->state, maps, states->no_maps);
    Py_XDECREF(history);
    Py_XDECREF(maps);
    if (!is_put)
        return NULL;
    user->state.erased_to_ms = erased_to_ms;
    user->state.newest_appended_ms = newest_ms;
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
    return state_object(states, &user->state);
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
        user->is_marked = false;
    Py_RETURN_NONE;
}

static PyObject *changed(PyObject *self, PyObject *Py_UNUSED(ignored)) {
    struct hot *hot = hot_of(self);
    PyObject *ids = PyList_New(0);
    for (size_t number = 0; ids != NULL && number < hot->marked_count; number++) {
        struct user *user = hot->marked[number];
        if (!user->is_marked) /* flushed meanwhile, or told already */
            continue;
        user->is_marked = false;
        PyObject *text = text_of(user);
        if (text == NULL || PyList_Append(ids, text) < 0)
            Py_CLEAR(ids);
        Py_XDECREF(text);
    }
    if (ids != NULL)
        hot->marked_count = 0;
    return ids;
}

static PyObject *ids_of(PyObject *self, bool with_young, bool with_old) {
    const struct hot *hot = hot_of(self);
    PyObject *ids = PyList_New(0);
    for (size_t at = 0; ids != NULL && at < hot->size; at++) {
        const struct user *user = hot->slots[at].user;
        if (user == NULL || !(user->is_young ? with_young : with_old))
            continue;
        PyObject *text = text_of(user);
        if (text == NULL || PyList_Append(ids, text) < 0)
            Py_CLEAR(ids);
        Py_XDECREF(text);
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
    if (hot->marked_count > 0)
        return PyErr_Format(PyExc_RuntimeError, "ask who has changed before anybody is let go");
    if (!hot_age(hot))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *young(PyObject *self, void *Py_UNUSED(closure)) {
    return PyLong_FromSize_t(hot_of(self)->young);
}

static PyObject *has_changed(PyObject *self, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(hot_of(self)->marked_count > 0);
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
    states->state_type = Py_NewRef(state_type);
    states->no_maps = Py_NewRef(no_maps);
    return (PyObject *)states;
}

static void dealloc(PyObject *self) {
    struct hot_states *states = (struct hot_states *)self;
    hot_clear(&states->hot);
    Py_XDECREF(states->state_type);
    Py_XDECREF(states->no_maps);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef METHODS[] = {
    {"touch", touch, METH_O, "The state of a hot user, who is young from here on, or None."},
    {"peek", peek, METH_O, "The same, but it is no touch."},
    {"put", (PyCFunction)(void (*)(void))put, METH_FASTCALL, "put(user_id, state): he is young."},
    {"is_young", is_young, METH_O, NULL},
    {"unmark", unmark, METH_O, "He counts as unchanged."},
    {"changed", changed, METH_NOARGS, "Whom a Reading has changed since this was called last."},
    {"ids", ids, METH_NOARGS, "All hot users."},
    {"old_ids", old_ids, METH_NOARGS, "Whom `age` would let go."},
    {"age", age, METH_NOARGS, "The old are let go, the young grow old."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef PROPERTIES[] = {
    {"young", young, NULL, "How many were touched since the others grew old.", NULL},
    {"has_changed", has_changed, NULL, "Whether `changed` has anybody to tell of.", NULL},
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
