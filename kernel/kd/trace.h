/*
 * The event trace: each processor writes what happens on it into a ring of its own. docs/TRACE.md
 * describes the events and the rings; the host finds them in the guest's memory.
 *
 * A hook is one line, KD_TRACE(...). While its class is not traced it costs two instructions, a
 * test and a jump that is not taken; what its arguments cost comes behind the jump.
 */
#ifndef METRONOME_TRACE_H
#define METRONOME_TRACE_H

#include "ntddk.h"
#include "arch.h"

struct _KTHREAD;
struct _KTRAP_FRAME;

/* ---- events ---- */

/* What the two arguments mean stands in docs/TRACE.md, too. Numbers are never given again. */
typedef enum _KTRACE_TYPE {
    TraceNone,
    TraceIrqlRaise,        /* object: caller; new IRQL, old IRQL; the event's IRQL is the new one */
    TraceIrqlLower,        /* object: caller; new IRQL; the event's IRQL is still the old one */
    TraceInterruptEnter,   /* object: interrupted code; vector, interrupted IRQL */
    TraceInterruptExit,    /* object: interrupted code; IRQL that is returned to */
    TraceInterruptRequest, /* vector, target processor: by software */
    TraceServiceStart,     /* object: interrupt object; service routine, vector */
    TraceServiceEnd,       /* object: interrupt object; service routine, result */
    TraceDpcQueue,         /* object: DPC; routine, target processor | KD_TRACE_DPC_* */
    TraceDpcRemove,        /* object: DPC; routine */
    TraceDpcStart,         /* object: DPC; routine, KD_TRACE_DPC_* */
    TraceDpcEnd,           /* object: DPC, which may be freed; routine, KD_TRACE_DPC_* */
    TraceTimerSet,         /* object: timer; due interrupt time, DPC */
    TraceTimerCancel,      /* object: timer; TRUE if it was set */
    TraceTimerExpire,      /* object: timer; due interrupt time, lateness in 100 ns */
    TraceLockAcquire,      /* object: lock; caller */
    TraceLockContend,      /* object: lock; caller */
    TraceLockRelease,      /* object: lock; caller */
    TraceThreadSwitch,     /* object: new thread; old thread, state of the old | priority << 8 */
    TraceThreadReady,      /* object: thread; processor, priority */
    TraceThreadWait,       /* object: first object or 0; KWAIT_REASON, number of objects */
    TraceThreadWake,       /* object: thread; status of its wait */
    TraceIrpDispatch,      /* object: IRP; device object, major function | minor << 8 */
    TraceIrpComplete,      /* object: IRP; status, information */
    TraceBugCheck,         /* object: first parameter; code */
    TraceTypes
} KTRACE_TYPE;

#define KD_TRACE_DPC_FROM_TIMER 0x100
#define KD_TRACE_DPC_THREADED   0x200

typedef struct _KTRACE_EVENT {
    ULONG64 Time; /* the time counter */
    ULONG64 Object;
    ULONG64 Argument1;
    ULONG64 Tail; /* type, IRQL << 8, the low 48 bits of the second argument << 16 */
} KTRACE_EVENT, *PKTRACE_EVENT;
ASSERT_SIZE(KTRACE_EVENT, 0x20);

#define KD_TRACE_TYPE(event)      ((UCHAR)(event)->Tail)
#define KD_TRACE_IRQL(event)      ((KIRQL)((event)->Tail >> 8))
#define KD_TRACE_ARGUMENT2(event) ((LONG64)(event)->Tail >> 16)

/* ---- hooks ---- */

/* Classes: what is traced, a bit each. */
#define KD_CLASS_FLOW 0x01 /* interrupts, DPCs, timers, threads, IRPs */
#define KD_CLASS_IRQL 0x02 /* raise and lower; checked builds */
#define KD_CLASS_LOCK 0x04 /* locks; checked builds, but for contention */
#define KD_CLASS_ALL  0x07

#if defined(METRONOME_HOST)
#define KD_TRACE(Class, Type, Object, Argument1, Argument2) ((void)0)
#else
/* The classes that are traced; 0: nothing. Written by KdpSetTraceClasses. */
extern UCHAR KdTraceClasses;

#define KD_TRACE(Class, Type, Object, Argument1, Argument2)                      \
    do {                                                                         \
        if (__builtin_expect((KdTraceClasses & (Class)) != 0, FALSE))            \
            ArchWriteTraceEvent((Type), (ULONG64)(Object), (ULONG64)(Argument1), \
                                (ULONG64)(Argument2));                           \
    } while (0)
#endif

/* The same in a short function that calls nothing else, which stays so (arch_inline.h). */
#if defined(METRONOME_HOST)
#define KD_TRACE_LEAF(Class, Type, Object, Argument1, Argument2) ((void)0)
#else
#define KD_TRACE_LEAF(Class, Type, Object, Argument1, Argument2)                               \
    do {                                                                                       \
        if (KI_UNLIKELY(KdTraceClasses & (Class)))                                             \
            ArchCallKeepingRegisters(ArchWriteTraceEvent, Type, Object, Argument1, Argument2); \
    } while (0)
#endif

/*
 * For what happens too often to bear even two instructions in a free build: IRQL and locks. There
 * the readers infer the IRQL from the next event.
 */
#if DBG
#define KD_TRACE_CHECKED(Class, Type, Object, Argument1, Argument2) \
    KD_TRACE(Class, Type, Object, Argument1, Argument2)
#else
#define KD_TRACE_CHECKED(Class, Type, Object, Argument1, Argument2) ((void)0)
#endif

/* A change of IRQL, behind a raise and in front of a lower. */
#define KD_TRACE_IRQL_RAISE(NewIrql, OldIrql) \
    KD_TRACE_CHECKED(KD_CLASS_IRQL, TraceIrqlRaise, KD_TRACE_CALLER, NewIrql, OldIrql)
#define KD_TRACE_IRQL_LOWER(NewIrql) \
    KD_TRACE_CHECKED(KD_CLASS_IRQL, TraceIrqlLower, KD_TRACE_CALLER, NewIrql, 0)

/* Whoever called the function in which a hook stands. */
#define KD_TRACE_CALLER __builtin_return_address(0)

/* The ends of an interrupt, from its stub; the first returns Vector. */
ULONG KdTraceInterruptEnter(ULONG Vector, const struct _KTRAP_FRAME *TrapFrame);
VOID KdTraceInterruptExit(const struct _KTRAP_FRAME *TrapFrame);

/* ---- the memory of the trace: what the host reads ---- */

#define KD_TRACE_VERSION      1
#define KD_TRACE_MAGIC        0x434152545254454DULL /* "METRTRAC" */
#define KD_TRACE_RING_MAGIC   0x474E49525254454DULL /* "METRRING" */
#define KD_TRACE_NAMES_OFFSET 128
#define KD_TRACE_EVENT_OFFSET 64

/* Begins on a page; names follow at KD_TRACE_NAMES_OFFSET. */
typedef struct _KTRACE_HEADER {
    ULONG64 Magic;
    ULONG Version;
    ULONG Processors;
    ULONG64 Session; /* the same in all parts of one trace: the system time at its start */
    ULONG64 CounterFrequency;
    ULONG64 StartCounter;       /* the moment at which the trace began, by the time counter, */
    ULONG64 StartInterruptTime; /* in interrupt time, */
    LONG64 StartSystemTime;     /* and in system time, both in 100 ns */
    ULONG NamesSize;            /* in bytes: room for names */
    volatile ULONG NamesUsed;   /* bytes written; the names' lock */
    ULONG NamesLost;            /* names without room; the names' lock */
    ULONG Checked;              /* 1: a checked build */
    ULONG Classes;              /* that have ever been traced */
    ULONG Reserved;
    CHAR Compiler[48];
} KTRACE_HEADER, *PKTRACE_HEADER;
ASSERT_SIZE(KTRACE_HEADER, KD_TRACE_NAMES_OFFSET);

/* Begins on a page; Capacity events follow at KD_TRACE_EVENT_OFFSET. */
typedef struct _KTRACE_RING {
    ULONG64 Magic;
    ULONG64 Session;
    ULONG64 Capacity;      /* a power of two; constant */
    volatile ULONG64 Next; /* events ever written; its own processor, interrupts off */
    ULONG Processor;
    ULONG Reserved;
    ULONG64 Mask; /* Capacity - 1 */
    ULONG64 Reserved30[2];
    KTRACE_EVENT Events[]; /* event n is in place n % Capacity */
} KTRACE_RING, *PKTRACE_RING;
ASSERT_OFFSET(KTRACE_RING, Events, KD_TRACE_EVENT_OFFSET);

typedef enum _KTRACE_NAME_KIND {
    TraceNameFunction = 1, /* code of Size bytes */
    TraceNameThread,       /* a thread object, from the record's time on */
    TraceNameModule        /* a driver's image of Size bytes, from the record's time on */
} KTRACE_NAME_KIND;

/* A name: this, then Length bytes of text, then zeros up to a multiple of 8. */
typedef struct _KTRACE_NAME {
    ULONG64 Time; /* from when on it holds */
    ULONG64 Address;
    ULONG Size;
    USHORT Kind; /* KTRACE_NAME_KIND */
    USHORT Length;
} KTRACE_NAME, *PKTRACE_NAME;
ASSERT_SIZE(KTRACE_NAME, 0x18);

/* ---- start and end ---- */

/* Allocates what the options ask for and starts to trace. All processors run. PASSIVE_LEVEL. */
VOID KdInitializeTrace(VOID);

/* Names a thread by its name or its start routine. Any IRQL. */
VOID KdTraceThread(struct _KTHREAD *Thread);

/* Names something for the readers of the trace, if there is one. Any IRQL. */
VOID KdTraceName(KTRACE_NAME_KIND Kind, const VOID *Address, SIZE_T Size, PCSTR Text);

#endif
