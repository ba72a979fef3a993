// Asks one thing again and again over CONNECTIONS kept connections, and says how that went, as JSON.
//
//   load PORT CONNECTIONS WARM_S SECONDS REQUEST_FILE
//
// Says "warm" after WARM_S, from when on it counts for SECONDS, and "done" after them. The file holds a whole HTTP request. Times in microseconds, from sending a request to its answer's last byte; streams
// are answers too, and their events are counted.
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wait.h"

enum { EVENTS = 256, READ = 64 * 1024, HEAD = 8192, TIMES = 1 << 24 };
enum { IN_HEAD, IN_BODY, IN_SIZE, IN_CHUNK, AFTER_CHUNK, IN_TRAILER };

typedef struct {
  int fd, state, head, sent, is_waiting;
  long left;
  char buffer[HEAD], before;
  double began;
} Connection;

static char *request;
static int request_length, epoll, port;
static uint32_t *times;
static long n_times, n_errors, n_events;

static void listen_for(Connection *c, uint32_t what, int how) {
  struct epoll_event e = {.events = what, .data.ptr = c};
  epoll_ctl(epoll, how, c->fd, &e);
}

static void send_more(Connection *c) {
  while (c->sent < request_length) {
    int n = send(c->fd, request + c->sent, request_length - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (!c->is_waiting) listen_for(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
      c->is_waiting = 1;
      return;
    }
    c->sent += n;
  }
  if (c->is_waiting) listen_for(c, EPOLLIN, EPOLL_CTL_MOD);
  c->is_waiting = 0;
}

static void ask(Connection *c) {
  c->began = now();
  c->state = IN_HEAD, c->head = 0, c->sent = 0;
  send_more(c);
}

static void open_one(Connection *c) {
  int one = 1;
  struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->fd, (void *)&there, sizeof there)) { perror("load"); exit(1); }
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  listen_for(c, EPOLLIN, EPOLL_CTL_ADD);
  ask(c);
}

static void answered(Connection *c) {
  if (n_times < TIMES) times[n_times++] = (uint32_t)((now() - c->began) * 1e7);
  ask(c);
}

static void headed(Connection *c) {
  c->buffer[c->head] = 0;
  if (strncmp(c->buffer, "HTTP/1.1 200", 12)) {
    if (!n_errors++) fprintf(stderr, "%.*s\n", c->head, c->buffer);
  }
  char *announced = strcasestr(c->buffer, "\r\ncontent-length:");
  c->left = announced ? atol(announced + 17) : 0;
  c->state = announced ? IN_BODY : IN_SIZE;
}

static void count_events(Connection *c, const char *bytes, long length) {
  for (long i = 0; i < length; c->before = bytes[i++])
    if (bytes[i] == '\n' && c->before == '\n') n_events++;
}

// Takes one byte or one run of bytes; returns how many. An answer that is complete is followed by the next question.
static long take(Connection *c, const char *bytes, long length) {
  long n = length < c->left ? length : c->left;
  switch (c->state) {
    case IN_HEAD:
      if (c->head < HEAD - 1) c->buffer[c->head++] = *bytes;
      if (c->head >= 4 && !memcmp(c->buffer + c->head - 4, "\r\n\r\n", 4)) headed(c);
      return 1;
    case IN_BODY:
      if (!(c->left -= n)) answered(c);
      return n;
    case IN_SIZE:
      if (*bytes == '\n') c->state = c->left ? IN_CHUNK : IN_TRAILER;
      else if (*bytes != '\r') c->left = c->left * 16 + (*bytes <= '9' ? *bytes - '0' : (*bytes | 32) - 'a' + 10);
      return 1;
    case IN_CHUNK:
      count_events(c, bytes, n);
      if (!(c->left -= n)) c->state = AFTER_CHUNK;
      return n;
    case AFTER_CHUNK:
      if (*bytes == '\n') c->state = IN_SIZE;
      return 1;
    default:  // no trailers are expected: the empty line ends the answer
      if (*bytes == '\n') answered(c);
      return 1;
  }
}

static void readable(Connection *c) {
  static char bytes[READ];
  long n = recv(c->fd, bytes, READ, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    n_errors++;
    close(c->fd);
    open_one(c);
    return;
  }
  for (long done = 0; done < n;) done += take(c, bytes + done, n - done);
}

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static double percentile(double share) { return n_times ? times[(long)(share * (n_times - 1))] / 10.0 : 0; }

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  port = atoi(argv[1]);
  int n_connections = atoi(argv[2]), is_warm = 0;
  double warm_s = atof(argv[3]), seconds = atof(argv[4]);
  FILE *file = fopen(argv[5], "rb");
  if (!file) { perror(argv[5]); return 1; }
  request = malloc(1 << 24);
  request_length = fread(request, 1, 1 << 24, file);
  times = malloc(TIMES * sizeof *times);
  epoll = epoll_create1(0);
  Connection *connections = calloc(n_connections, sizeof *connections);
  double at, began = now();
  for (int i = 0; i < n_connections; i++) open_one(connections + i);
  struct epoll_event events[EVENTS];
  while (!is_warm || at < began + seconds) {
    int n = wait_awake(epoll, events, EVENTS, 1, 100);
    for (int i = 0; i < n; i++) {
      Connection *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) send_more(c);
      if (events[i].events & ~EPOLLOUT) readable(c);
    }
    at = now();
    if (!is_warm && at >= began + warm_s) {
      is_warm = 1, began = at, n_times = n_errors = n_events = 0;
      puts("warm");
      fflush(stdout);
    }
  }
  puts("done");
  fflush(stdout);
  qsort(times, n_times, sizeof *times, compare);
  printf("{\"seconds\": %.4f, \"answers\": %ld, \"events\": %ld, \"errors\": %ld, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
    at - began, n_times, n_events, n_errors, percentile(0.5), percentile(0.99));
}
