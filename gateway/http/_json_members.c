// Splits a JSON object into its members (RFC 8259) without decoding their values: gateway.http.json_members, compiled.
//
//   split(data: bytes, wanted: frozenset[str] | None) -> dict[str, bytes] | None
//
// A bytes object ends with a NUL, which is allowed nowhere, so that every loop ends there at the latest.
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>
#include <stdint.h>
#include <string.h>

enum { MAX_DEPTH = 128 };

typedef const unsigned char *Place;  // NULL after what is no JSON

// end: of the text. seen: highest bits of the characters of strings, so 0 where all are ASCII.
typedef struct { Place end; unsigned seen; } Text;

static int is_plain(unsigned char c) { return (c >= 0x20) & (c != '"') & (c != '\\'); }

// count_plain: how many of the STEP bytes at a place are plain before the first that is not; notes what it has seen.
#if defined(__SSE2__) && defined(__GNUC__)
#include <emmintrin.h>
enum { STEP = 16 };
static int count_plain(Place at, Text *text) {
  __m128i bytes = _mm_loadu_si128((const __m128i *)at), control = _mm_set1_epi8(0x1f);
  text->seen |= _mm_movemask_epi8(bytes);
  __m128i odd = _mm_cmpeq_epi8(_mm_max_epu8(bytes, control), control);
  odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
  odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
  return __builtin_ctz(_mm_movemask_epi8(odd) | 1 << STEP);
}
#elif defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { STEP = 8 };
// The highest bit of each byte that is not plain; of several the lowest is certain, the others may come of its borrow
// (https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord).
static int count_plain(Place at, Text *text) {
  const uint64_t ones = 0x0101010101010101u, highest = 0x8080808080808080u;
  uint64_t word;
  memcpy(&word, at, STEP);
  text->seen |= (word & highest) != 0;
  uint64_t quote = word ^ ('"' * ones), backslash = word ^ ('\\' * ones);
  uint64_t odd = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - 0x20 * ones) & ~word);
  return odd & highest ? __builtin_ctzll(odd & highest) / 8 : STEP;
}
#else
enum { STEP = 1 };
static int count_plain(Place at, Text *text) {
  text->seen |= *at & 0x80;
  return is_plain(*at);
}
#endif

static Place skip_plain(Place at, Text *text) {
  // A branch, and no sum of counts: a processor predicts it, and does not wait for one block before the next.
  for (; text->end - at >= STEP; at += STEP) {
    int plain = count_plain(at, text);
    if (plain < STEP) return at + plain;
  }
  for (; is_plain(*at); at++) text->seen |= *at & 0x80;
  return at;
}

static Place skip_space(Place at) {
  while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') at++;
  return at;
}

static int is_hex(unsigned char c) { return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f'); }

// at: behind the backslash.
static Place skip_escape(Place at) {
  switch (*at) {
    case 'n': case '"': case '\\': case 't': case '/': case 'r': case 'b': case 'f': return at + 1;
    case 'u': return is_hex(at[1]) && is_hex(at[2]) && is_hex(at[3]) && is_hex(at[4]) ? at + 5 : NULL;
    default: return NULL;
  }
}

// at: behind the opening quotation mark. Returns the place behind the closing one.
static Place skip_string(Place at, Text *text) {
  while (at) {
    at = skip_plain(at, text);
    if (*at == '"') return at + 1;
    at = *at == '\\' ? skip_escape(at + 1) : NULL;
  }
  return NULL;
}

static Place skip_digits(Place at) {
  if (*at < '0' || *at > '9') return NULL;
  while (*at >= '0' && *at <= '9') at++;
  return at;
}

static Place skip_number(Place at) {
  at += *at == '-';
  at = *at == '0' ? at + 1 : skip_digits(at);
  if (at && *at == '.') at = skip_digits(at + 1);
  if (at && (*at | 32) == 'e') at = skip_digits(at + 1 + (at[1] == '+' || at[1] == '-'));
  return at;
}

static Place skip_word(Place at, const char *word) {
  size_t length = strlen(word);
  return strncmp((const char *)at, word, length) ? NULL : at + length;
}

static Place skip_value(Place at, Text *text, int depth);

// at: at a member's name. Returns the place of its value.
static Place skip_name(Place at, Text *text) {
  at = *at == '"' ? skip_string(at + 1, text) : NULL;
  if (!at || *(at = skip_space(at)) != ':') return NULL;
  return skip_space(at + 1);
}

// at: behind an item. Returns the place of the next one, or of the closing bracket.
static Place skip_comma(Place at, unsigned char close) {
  at = skip_space(at);
  if (*at == close) return at;
  if (*at != ',') return NULL;
  at = skip_space(at + 1);
  return *at == close ? NULL : at;
}

// at: behind the opening bracket. Returns the place behind the closing one.
static Place skip_items(Place at, Text *text, int depth, unsigned char close) {
  if (depth > MAX_DEPTH) return NULL;
  at = skip_space(at);
  while (at && *at != close) {
    if (close == '}' && !(at = skip_name(at, text))) return NULL;
    at = skip_value(at, text, depth + 1);
    if (at) at = skip_comma(at, close);
  }
  return at ? at + 1 : NULL;
}

static Place skip_value(Place at, Text *text, int depth) {
  switch (*at) {
    case '"': return skip_string(at + 1, text);
    case '{': return skip_items(at + 1, text, depth, '}');
    case '[': return skip_items(at + 1, text, depth, ']');
    case 't': return skip_word(at, "true");
    case 'f': return skip_word(at, "false");
    case 'n': return skip_word(at, "null");
    default: return skip_number(at);
  }
}

// Adds a member. Returns 0; -1 with an exception set; 1 for a name with escapes, which is left to Python.
static int add_member(PyObject *members, PyObject *wanted, Place name, Place value, Place after) {
  Place closing = (Place)memchr(name, '"', value - name);  // of a name without escapes
  if (memchr(name, '\\', closing - name)) return 1;
  PyObject *key = PyUnicode_DecodeUTF8((const char *)name, closing - name, NULL);
  if (!key) {
    PyErr_Clear();  // no UTF-8
    return 1;
  }
  int is_wanted = wanted == Py_None ? 1 : PySequence_Contains(wanted, key), failed = is_wanted < 0 ? -1 : 0;
  if (is_wanted > 0) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)value, after - value);
    failed = bytes ? PyDict_SetItem(members, key, bytes) : -1;
    Py_XDECREF(bytes);
  }
  Py_DECREF(key);
  return failed;
}

// Returns 0 for valid UTF-8, else 1. Python's own decoder, as for the form in Python.
static int check_utf8(Place at, Place end) {
  PyObject *decoded = PyUnicode_DecodeUTF8((const char *)at, end - at, NULL);
  if (!decoded) PyErr_Clear();
  Py_XDECREF(decoded);
  return !decoded;
}

// Fills members from an object. Returns 0; -1 with an exception set; 1 for what is no object, or is left to Python.
static int split_object(Place begin, Text *text, PyObject *members, PyObject *wanted) {
  Place at = skip_space(begin);
  if (*at++ != '{') return 1;
  at = skip_space(at);
  while (at && *at != '}') {
    Place name = at + 1, value = skip_name(at, text), after = value ? skip_value(value, text, 1) : NULL;
    if (!after) return 1;
    int failed = add_member(members, wanted, name, value, after);
    if (failed) return failed;
    at = skip_comma(after, '}');
  }
  if (!at || skip_space(at + 1) != text->end) return 1;
  return text->seen ? check_utf8(begin, text->end) : 0;
}

static PyObject *split(PyObject *module, PyObject *args) {
  PyObject *data, *wanted;
  char *bytes;
  Py_ssize_t length;
  if (!PyArg_ParseTuple(args, "SO:split", &data, &wanted) || PyBytes_AsStringAndSize(data, &bytes, &length)) return NULL;
  PyObject *members = PyDict_New();
  if (!members) return NULL;
  Text text = {(Place)bytes + length, 0};
  int failed = split_object((Place)bytes, &text, members, wanted);
  if (!failed) return members;
  Py_DECREF(members);
  if (failed < 0) return NULL;
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
  {"split", split, METH_VARARGS, "Split a JSON object into its members; None for what is none, or is left to Python."},
  {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
  PyModuleDef_HEAD_INIT, .m_name = "_json_members", .m_size = 0, .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__json_members(void) { return PyModuleDef_Init(&definition); }
