/* The clock that a test lets Airflow and all its processes go by: the machine's, moved by the seconds in a file.

   Preloaded into each process, since a schedule of days is to be seen in minutes. Only what o'clock it is changes: what
   counts time from one moment to another (timeouts, sleeps, heartbeats in a JVM) has the monotonic clock, as it is. Of
   what waits until it is so late, C's own condition variables are used here, by Kafka's client: the kernel, which wakes
   them, knows the machine's clock only.
   libfaketime 0.9.10 was tried: with it Python's sleep fails or never ends, since it moves both. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* Of the file that CLOCK_AHEAD names, which the test writes. */
static volatile int64_t *ahead;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CLOCK_AHEAD");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *found = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) ahead = found;
    if (file >= 0) close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, now);
    if (!done && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *ahead;
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec at;
    (void)zone;
    int done = clock_gettime(CLOCK_REALTIME, &at);
    if (!done) { now->tv_sec = at.tv_sec; now->tv_usec = at.tv_nsec / 1000; }
    return done;
}

time_t time(time_t *now) {
    struct timespec at;
    if (clock_gettime(CLOCK_REALTIME, &at)) return (time_t)-1;
    if (now) *now = at.tv_sec;
    return at.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, now) ? base : 0;
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    struct timespec at = *until;
    if (!wait) wait = (int (*)(cnd_t *, mtx_t *, const struct timespec *))dlsym(RTLD_NEXT, "cnd_timedwait");
    if (ahead) at.tv_sec -= *ahead;
    return wait(condition, mutex, &at);
}
