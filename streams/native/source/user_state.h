/* A state between its two forms: what is held here, and schemas.state.UserState. */
#ifndef TIDEMILL_USER_STATE_H
#define TIDEMILL_USER_STATE_H

#include <Python.h>

#include "state.h"

/* What is needed of schemas.state: the type, and the maps of who has no marks. */
struct user_state {
    PyObject *type, *no_maps;
};

/* A new object; NULL with an exception. */
PyObject *user_state_made(const struct user_state *python, const struct state *state);

/* Takes everything over that an object says. False with an exception, and then the state holds
 * part of it.
 */
bool user_state_read(const struct user_state *python, PyObject *object, struct state *state);

#endif
