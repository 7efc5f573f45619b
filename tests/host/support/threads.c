/* Several threads that begin at the same moment. */
#include "support.h"
#include "threads.h"
#include <pthread.h>
#include <sched.h>

typedef struct _HOST_THREAD {
    pthread_t Thread;
    ULONG Number;
    HOST_ROUTINE *Routine;
    ULONG_PTR Result;
} HOST_THREAD;

static volatile LONG HostThreadsReady;

static void *RunThread(void *Argument)
{
    HOST_THREAD *thread = Argument;

    InterlockedIncrement(&HostThreadsReady);
    while (HostThreadsReady != HOST_THREADS)
        sched_yield();
    thread->Result = thread->Routine(thread->Number);
    return NULL;
}

ULONG_PTR HostRunThreads(HOST_ROUTINE *Routine)
{
    HOST_THREAD threads[HOST_THREADS];
    ULONG_PTR sum = 0;

    HostThreadsReady = 0;
    for (ULONG i = 0; i < HOST_THREADS; i++) {
        threads[i] = (HOST_THREAD){.Number = i, .Routine = Routine};
        assert_int_equal(pthread_create(&threads[i].Thread, NULL, RunThread, &threads[i]), 0);
    }
    for (ULONG i = 0; i < HOST_THREADS; i++) {
        pthread_join(threads[i].Thread, NULL);
        sum += threads[i].Result;
    }
    return sum;
}
