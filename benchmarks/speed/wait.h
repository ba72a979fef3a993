// epoll_wait that goes on asking for AWAKE_S before it sleeps.
//
// A target pays for waking whoever it writes to: on the other core of a virtual machine 5 to 10 us a write, and only if
// that one sleeps. nginx keeps backend and load generator busy, a slower target does not, and would be charged for their
// sleep beside its own work. Over a network nobody is woken by a write.
#include <sched.h>
#include <sys/epoll.h>
#include <time.h>

#define AWAKE_S 300e-6

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static int wait_awake(int epoll, struct epoll_event *events, int most, int timeout_ms) {
  double until = now() + AWAKE_S;
  do {
    int n = epoll_wait(epoll, events, most, 0);
    if (n) return n;
    sched_yield();  // backend and load generator share a core
  } while (now() < until);
  return epoll_wait(epoll, events, most, timeout_ms);
}
