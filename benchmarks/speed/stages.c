/* Markers for benchmarks.speed.stages: a callable that calls another one from within a C function of its own.

   callgrind tells what a C function has taken, with all that it calls. To it, a Python function is no function: the
   interpreter is. Stage(n, f) calls f from within stage_M_n, where M is the stage that it is called in, so that callgrind
   counts f under that name. M is 24 where there is none. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <valgrind/callgrind.h>

#define N_STAGES 24

typedef PyObject *(*Call)(PyObject *, PyObject *const *, size_t, PyObject *);

/* Not inlined, and not left before the callee has returned: callgrind needs the frame. */
#define STAGE(m, n)                                                                                   \
    __attribute__((noinline)) PyObject *stage_##m##_##n(PyObject *f, PyObject *const *args, size_t count, \
                                                        PyObject *names) {                            \
        PyObject *result = PyObject_Vectorcall(f, args, count, names);                                \
        __asm__ volatile("" : "+r"(result));                                                          \
        return result;                                                                                \
    }
#define EACH(X, m)                                                                                                    \
    X(m, 0) X(m, 1) X(m, 2) X(m, 3) X(m, 4) X(m, 5) X(m, 6) X(m, 7) X(m, 8) X(m, 9) X(m, 10) X(m, 11) X(m, 12) X(m, 13) \
    X(m, 14) X(m, 15) X(m, 16) X(m, 17) X(m, 18) X(m, 19) X(m, 20) X(m, 21) X(m, 22) X(m, 23)
#define ALL(X)                                                                                                   \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) \
    X(20) X(21) X(22) X(23) X(24)
#define DEFINE(m) EACH(STAGE, m)
#define NAME(m, n) stage_##m##_##n,
#define LIST(m) {EACH(NAME, m)},
ALL(DEFINE)

static const Call calls[N_STAGES + 1][N_STAGES] = {ALL(LIST)};
static Py_ssize_t current = N_STAGES;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *wrapped;
    Py_ssize_t place;
} Stage;

static PyObject *stage_vectorcall(PyObject *self, PyObject *const *args, size_t count, PyObject *names) {
    Stage *stage = (Stage *)self;
    Py_ssize_t within = current;
    current = stage->place;
    PyObject *result = calls[within][stage->place](stage->wrapped, args, count, names);
    current = within;
    return result;
}

static PyObject *stage_new(PyTypeObject *type, PyObject *args, PyObject *named) {
    Py_ssize_t place;
    PyObject *wrapped;
    if (!PyArg_ParseTuple(args, "nO", &place, &wrapped)) return NULL;
    if (place < 0 || place >= N_STAGES) return PyErr_Format(PyExc_ValueError, "no stage %zd: up to %d", place, N_STAGES);
    Stage *self = (Stage *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->vectorcall = stage_vectorcall;
    self->wrapped = Py_NewRef(wrapped);
    self->place = place;
    return (PyObject *)self;
}

static PyObject *stage_get(PyObject *self, PyObject *instance, PyObject *type) {
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

static PyTypeObject StageType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "stages.Stage",
    .tp_basicsize = sizeof(Stage),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_new = stage_new,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Stage, vectorcall),
    .tp_descr_get = stage_get,
};

static PyObject *start(PyObject *module, PyObject *none) {
    CALLGRIND_START_INSTRUMENTATION;
    Py_RETURN_NONE;
}

static PyObject *stop(PyObject *module, PyObject *none) {
    CALLGRIND_STOP_INSTRUMENTATION;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"start", start, METH_NOARGS, "Begin to count instructions."},
    {"stop", stop, METH_NOARGS, "Count no more."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "stages_c", NULL, -1, functions};

PyMODINIT_FUNC PyInit_stages_c(void) {
    PyObject *made = PyModule_Create(&module);
    if (made == NULL || PyModule_AddType(made, &StageType) < 0) return NULL;
    return made;
}
