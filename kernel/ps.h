/* What kernel/ps shows to the rest of the kernel: system threads. */
#ifndef METRONOME_PS_H
#define METRONOME_PS_H

#include "ntddk.h"

/* The list of threads and the reaper. PASSIVE_LEVEL, once, before the first thread. */
VOID PspInitialize(VOID);

/* Makes and starts a thread that nobody holds a handle to. PASSIVE_LEVEL. */
NTSTATUS PspStartThread(PCSTR Name, KPRIORITY Priority, PKSTART_ROUTINE StartRoutine,
                        PVOID StartContext);

/* The thread ends: the reaper frees its stack and its object. The dispatcher lock is held. */
VOID PspGiveToReaper(PKTHREAD Thread);

/* Calls Visit for every thread with the dispatcher lock held: Visit copies and does no more. */
typedef VOID PSP_THREAD_VISITOR(PKTHREAD Thread, PVOID Context);
VOID PspVisitThreads(PSP_THREAD_VISITOR *Visit, PVOID Context);

#endif
