// epoll_wait that goes on asking for AWAKE_S before it sleeps, while many connections are busy.
//
// A target pays for waking whoever it writes to: on the other core of a virtual machine 5 to 10 us a write, and only if
// that one sleeps. nginx keeps backend and load generator busy, a slower target does not, and would be charged for their
// sleep beside its own work. Over a network nobody is woken by a write. With one connection both sleep: they share a core,
// and each would wait for the other's turn.
#include <sched.h>
#include <sys/epoll.h>
#include <time.h>

#define AWAKE_S 300e-6
#define BUSY_S 5e-3

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

// few: events that one connection, and what is no connection, can cause at once.
static int wait_awake(int epoll, struct epoll_event *events, int most, int few, int timeout_ms) {
  static double busy_until;
  double at = now(), until = at + AWAKE_S;
  int n = epoll_wait(epoll, events, most, 0);
  for (; !n && at < busy_until && at < until; at = now()) {
    sched_yield();
    n = epoll_wait(epoll, events, most, 0);
  }
  if (!n) n = epoll_wait(epoll, events, most, timeout_ms);
  if (n > few) busy_until = now() + BUSY_S;
  return n;
}
