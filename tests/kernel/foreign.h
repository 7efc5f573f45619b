/*
 * What a suite needs beside the routines of drivers when it is built as a driver's image, with
 * mingw-w64's headers instead of include/ (tests/sys/suite). What is no inline function here is
 * exported by the test build: kernel/ldr/exports.c.
 */
#ifndef METRONOME_TEST_FOREIGN_H
#define METRONOME_TEST_FOREIGN_H

#include <string.h>

/* Type bytes of objects, which the WDK keeps to itself. */
enum {
    EventNotificationObject = 0,
    EventSynchronizationObject = 1,
    MutantObject = 2,
    SemaphoreObject = 5,
    TimerNotificationObject = 8,
    TimerSynchronizationObject = 9,
    DpcObject = 0x13,
    DeviceQueueObject = 0x14,
    ThreadedDpcObject = 0x18
};

/* Kinds of bug check 0xC4 that name a rule. */
#define RULE_IRQL_DISPATCH        0x20003
#define RULE_IRQL_IO_PASSIVE      0x20007
#define RULE_IRQL_KE_DISPATCH_LTE 0x20011
#define RULE_DEVICE_QUEUE_BUSY    0x2F001

#define MAXIMUM_DPC_QUEUE_DEPTH 4
#define CLOCK_VECTOR            0xD1
#define VECTOR_IRQL(vector)     ((KIRQL)((vector) >> 4))

VOID KiSleep(ULONG64 Interval);
VOID ArchSendInterrupt(ULONG Processor, UCHAR Vector);
PCSTR KiGetOption(PCSTR Name);
ULONG64 KiGetNumberOption(PCSTR Name, ULONG64 Default);
__declspec(dllimport) extern volatile ULONG ExpFailEvery;
VOID KeSetSystemTime(PLARGE_INTEGER NewTime, PLARGE_INTEGER OldTime);
PCSTR ArchClockName(VOID);
VOID ExQueryPoolTag(ULONG Tag, PSIZE_T Blocks, PSIZE_T Bytes);

FORCEINLINE VOID ArchPause(VOID)
{
    __builtin_ia32_pause();
}

FORCEINLINE VOID ArchOut8(USHORT Port, UCHAR Value)
{
    WRITE_PORT_UCHAR((PUCHAR)(ULONG_PTR)Port, Value);
}

FORCEINLINE UCHAR ArchIn8(USHORT Port)
{
    return READ_PORT_UCHAR((PUCHAR)(ULONG_PTR)Port);
}

FORCEINLINE BOOLEAN ArchInterruptsEnabled(VOID)
{
    return (__builtin_ia32_readeflags_u64() & 0x200) != 0;
}

FORCEINLINE ULONG_PTR ArchDisableInterrupts(VOID)
{
    ULONG_PTR flags = __builtin_ia32_readeflags_u64();

    __asm__ volatile("cli" ::: "memory");
    return flags;
}

FORCEINLINE VOID ArchRestoreInterrupts(ULONG_PTR Flags)
{
    __builtin_ia32_writeeflags_u64(Flags);
}

#endif
