#include "user_state.h"

static PyObject *packed(const struct entries *entries, size_t width) {
    return PyBytes_FromStringAndSize((const char *)entries_begin(entries, width),
                                     (Py_ssize_t)(entries->count * width));
}

static PyObject *packed_maps(const struct user_state *python, const struct state *state) {
    size_t count = 0;
    for (int map = 0; state->maps != NULL && map < MAPS; map++)
        count += state->maps->of[map].count;
    if (count == 0)
        return Py_NewRef(python->no_maps);
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

PyObject *user_state_made(const struct user_state *python, const struct state *state) {
    PyObject *made = NULL, *parts[4] = {
        PyLong_FromLongLong(state->erased_to_ms),
        PyLong_FromLongLong(state->newest_appended_ms),
        packed(&state->history, INTERACTION_BYTES),
        packed_maps(python, state),
    };
    if (parts[0] && parts[1] && parts[2] && parts[3])
        made = PyObject_Vectorcall(python->type, parts, 4, NULL);
    for (int part = 0; part < 4; part++)
        Py_XDECREF(parts[part]);
    return made;
}

static bool set_entries(struct entries *entries, size_t width, PyObject *bytes) {
    if (!PyBytes_CheckExact(bytes) || (size_t)PyBytes_GET_SIZE(bytes) % width != 0 ||
        (size_t)PyBytes_GET_SIZE(bytes) / width > MOST_ENTRIES) {
        PyErr_SetString(PyExc_ValueError, "these are not packed entries");
        return false;
    }
    size_t count = (size_t)PyBytes_GET_SIZE(bytes) / width;
    const uint8_t *content = (const uint8_t *)PyBytes_AS_STRING(bytes);
    if (entries_set(entries, width, content, (uint16_t)count) == NO_MEMORY) {
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

static bool read_entries(PyObject *object, const struct user_state *python, struct state *state) {
    PyObject *history = PyObject_GetAttrString(object, "history");
    PyObject *maps = history == NULL ? NULL : PyObject_GetAttrString(object, "maps");
    bool is_read = maps != NULL && set_entries(&state->history, INTERACTION_BYTES, history) &&
                   set_maps(state, maps, python->no_maps);
    Py_XDECREF(history);
    Py_XDECREF(maps);
    return is_read;
}

bool user_state_read(const struct user_state *python, PyObject *object, struct state *state) {
    return read_ms(object, "erased_to_ms", &state->erased_to_ms) &&
           read_ms(object, "newest_appended_ms", &state->newest_appended_ms) &&
           read_entries(object, python, state);
}
