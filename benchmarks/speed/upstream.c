// A backend that is never the bottleneck: HTTP/1.1 with keep-alive on 127.0.0.1, one thread, epoll.
//
//   upstream PORT DELAY_MS TICK_US CHUNKS
//
// Answers about 1 KB of JSON; after DELAY_MS where the body names the model "slow"; a stream of CHUNKS events, one every
// TICK_US, where it has "stream":true, and an event that says what it took where that is asked for.
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "wait.h"

enum { TICK_NS = 250 * 1000, CONNECTIONS = 4096, BUFFER = 256 * 1024, EVENTS = 256 };
enum { READING, DELAYED, STREAMING };

typedef struct {
  int fd, state, length, left, asks_usage;
  double due;
  char *buffer;
} Connection;

typedef struct { char bytes[2048]; int length; } Text;

static Connection connections[CONNECTIONS], *busy[CONNECTIONS];
static int n_busy, delay_ms, tick_us, n_chunks;
static Text answer, head, event, last, usage, done;

static const char ANSWER[] =
  "{\"id\":\"chatcmpl-AbCdEf0123456789abcdef01234567\",\"object\":\"chat.completion\",\"created\":1764000000,"
  "\"model\":\"small-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Sure. The "
  "capital of France is Paris. It lies on the Seine, and has been the capital for most of the time since 987. About 2.1 "
  "million people live in the city proper, and about 12 million in the wider region. If you want more detail on its "
  "history, or on how the administrative regions are split, please ask and I will go on.\",\"refusal\":null,"
  "\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":212,"
  "\"completion_tokens\":91,\"total_tokens\":303,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
  "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
  "\"rejected_prediction_tokens\":0}},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\"}";
#define CHUNK "data: {\"id\":\"chatcmpl-AbCdEf0123456789abcdef01234567\",\"object\":\"chat.completion.chunk\"," \
  "\"created\":1764000000,\"model\":\"small-2024-07-18\",\"service_tier\":\"default\"," \
  "\"system_fingerprint\":\"fp_0123456789\",\"choices\":["
#define DELTA "{\"index\":0,\"delta\":{\"content\":\" token\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n"
#define STOP "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n"
#define TOOK "],\"usage\":{\"prompt_tokens\":212,\"completion_tokens\":50,\"total_tokens\":262}}\n\n"

static void write_all(Connection *c, const char *bytes, int length) {
  for (int sent = 0; sent < length;) {
    int n = send(c->fd, bytes + sent, length - sent, MSG_NOSIGNAL);
    if (n >= 0) sent += n;
    else if (errno == EAGAIN) usleep(50);
    else return;
  }
}

static void tell(Connection *c, const Text *text) { write_all(c, text->bytes, text->length); }

static void framed(Text *text, const char *data, const char *end) {
  text->length = sprintf(text->bytes, "%zx\r\n%s\r\n%s", strlen(data), data, end);
}

static void occupy(Connection *c, int state) { c->state = state; busy[n_busy++] = c; }

static void release(Connection *c) {
  for (int i = 0; i < n_busy; i++)
    if (busy[i] == c) { busy[i] = busy[--n_busy]; break; }
  c->state = READING;
}

static void drop(Connection *c) {
  release(c);
  close(c->fd);
  free(c->buffer);
  c->fd = -1;
}

static void end_stream(Connection *c) {
  tell(c, &last);
  if (c->asks_usage) tell(c, &usage);
  tell(c, &done);
}

static void respond(Connection *c, const char *body, int length) {
  if (memmem(body, length, "\"stream\":true", 13) || memmem(body, length, "\"stream\": true", 14)) {
    c->asks_usage = memmem(body, length, "\"include_usage\"", 15) != NULL;
    c->left = n_chunks;
    tell(c, &head);
    occupy(c, STREAMING);
  } else if (memmem(body, length, "\"slow\"", 6)) {
    c->due = now() + delay_ms * 1e-3;
    occupy(c, DELAYED);
  } else {
    tell(c, &answer);
  }
}

static void take_requests(Connection *c) {
  while (c->state == READING) {
    c->buffer[c->length] = 0;
    char *end = memmem(c->buffer, c->length, "\r\n\r\n", 4);
    if (!end) return;
    *end = 0;
    char *announced = strcasestr(c->buffer, "\r\ncontent-length:");
    *end = '\r';
    int before = end - c->buffer + 4, length = announced ? atoi(announced + 17) : 0;
    if (c->length < before + length) return;
    respond(c, c->buffer + before, length);
    memmove(c->buffer, c->buffer + before + length, c->length - before - length);
    c->length -= before + length;
  }
}

// Streams move together, as they do where a model answers a batch of requests.
static void tick(void) {
  static double next_event;
  double at = now();
  int is_time = at >= next_event;
  if (is_time) next_event = (at - next_event < 1 ? next_event : at) + tick_us * 1e-6;
  for (int i = n_busy - 1; i >= 0; i--) {
    Connection *c = busy[i];
    if (c->state == DELAYED ? at < c->due : !is_time) continue;
    if (c->state == DELAYED) tell(c, &answer);
    else if (c->left-- > 0) { tell(c, &event); continue; }
    else end_stream(c);
    release(c);
    take_requests(c);
  }
}

static void compose(void) {
  answer.length = sprintf(answer.bytes, "HTTP/1.1 200 OK\r\nserver: upstream\r\ncontent-type: application/json\r\n"
    "x-request-id: req_0123456789abcdef\r\ncontent-length: %zu\r\n\r\n%s", strlen(ANSWER), ANSWER);
  head.length = sprintf(head.bytes, "HTTP/1.1 200 OK\r\nserver: upstream\r\ncontent-type: text/event-stream; "
    "charset=utf-8\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n");
  framed(&event, CHUNK DELTA, "");
  framed(&last, CHUNK STOP, "");
  framed(&usage, CHUNK TOOK, "");
  framed(&done, "data: [DONE]\n\n", "0\r\n\r\n");
}

static int add(int epoll, int fd, void *what) {
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = what};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static void accept_one(int epoll, int listener) {
  int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  for (Connection *c = connections; c < connections + CONNECTIONS; c++)
    if (c->fd < 0) {
      *c = (Connection){.fd = fd, .buffer = malloc(BUFFER + 1)};
      add(epoll, fd, c);
      return;
    }
  close(fd);
}

static void readable(Connection *c) {
  int n = recv(c->fd, c->buffer + c->length, BUFFER - c->length, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) { drop(c); return; }
  c->length += n;
  take_requests(c);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  signal(SIGPIPE, SIG_IGN);
  delay_ms = atoi(argv[2]), tick_us = atoi(argv[3]), n_chunks = atoi(argv[4]);
  compose();
  for (int i = 0; i < CONNECTIONS; i++) connections[i].fd = -1;
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
  struct sockaddr_in here = {
    .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (void *)&here, sizeof here) || listen(listener, 1024)) { perror("upstream"); return 1; }
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec every = {{0, TICK_NS}, {0, TICK_NS}};
  timerfd_settime(timer, 0, &every, NULL);
  add(epoll, listener, &listener);
  add(epoll, timer, &timer);
  for (struct epoll_event events[EVENTS];;) {
    int n = wait_awake(epoll, events, EVENTS, 2, -1);
    for (int i = 0; i < n; i++) {
      void *what = events[i].data.ptr;
      uint64_t ticks;
      if (what == &listener) accept_one(epoll, listener);
      else if (what == &timer) { if (read(timer, &ticks, sizeof ticks) > 0) tick(); }
      else if (((Connection *)what)->fd >= 0) readable(what);
    }
  }
}
