/*
 * Clocks. Times are counts of 100 ns: system time since 1 January 1601 (UTC), interrupt time
 * since the start of the kernel. The coarse ones advance by KeQueryTimeIncrement() at each tick.
 */
#ifndef METRONOME_SYSTIME_H
#define METRONOME_SYSTIME_H

#include "ntdef.h"

typedef struct _KSYSTEM_TIME {
    ULONG LowPart;
    LONG High1Time;
    LONG High2Time;
} KSYSTEM_TIME, *PKSYSTEM_TIME;

/*
 * The page at 0xFFFFF78000000000, read-only to drivers. Each time is stored so that one 8-byte
 * load reads it, and so that "high 1, low, high 2, again if the highs differ" reads it too.
 */
#define KI_USER_SHARED_DATA 0xFFFFF78000000000ULL

typedef struct _KUSER_SHARED_DATA {
    ULONG TickCountLowDeprecated;
    ULONG TickCountMultiplier;
    KSYSTEM_TIME InterruptTime;
    KSYSTEM_TIME SystemTime;
    KSYSTEM_TIME TimeZoneBias;
    UCHAR Reserved1[0x26C - 0x2C];
    ULONG NtMajorVersion;
    ULONG NtMinorVersion;
    UCHAR Reserved2[0x320 - 0x274];
    union {
        KSYSTEM_TIME TickCount;
        ULONG64 TickCountQuad;
    };
    ULONG Reserved3;
} KUSER_SHARED_DATA, *PKUSER_SHARED_DATA;

ASSERT_OFFSET(KUSER_SHARED_DATA, InterruptTime, 0x8);
ASSERT_OFFSET(KUSER_SHARED_DATA, SystemTime, 0x14);
ASSERT_OFFSET(KUSER_SHARED_DATA, NtMajorVersion, 0x26C);
ASSERT_OFFSET(KUSER_SHARED_DATA, TickCount, 0x320);

#define SharedUserData ((KUSER_SHARED_DATA *const)KI_USER_SHARED_DATA)

/* All of these: any IRQL. Contract: time.md, items of the routine's name. */

VOID KeQuerySystemTime(PLARGE_INTEGER CurrentTime);
VOID KeQuerySystemTimePrecise(PLARGE_INTEGER CurrentTime);
ULONGLONG KeQueryInterruptTime(VOID);
ULONG64 KeQueryInterruptTimePrecise(PULONG64 QpcTimeStamp);
ULONGLONG KeQueryUnbiasedInterruptTime(VOID);
VOID KeQueryTickCount(PLARGE_INTEGER CurrentCount);
ULONG KeQueryTimeIncrement(VOID);
LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER PerformanceFrequency);
VOID KeStallExecutionProcessor(ULONG MicroSeconds);

/* DesiredTime and the result in 100 ns. IRQL: <= APC_LEVEL. */
ULONG ExSetTimerResolution(ULONG DesiredTime, BOOLEAN SetResolution);
VOID ExQueryTimerResolution(PULONG MaximumTime, PULONG MinimumTime, PULONG CurrentTime);

VOID ExSystemTimeToLocalTime(PLARGE_INTEGER SystemTime, PLARGE_INTEGER LocalTime);
VOID ExLocalTimeToSystemTime(PLARGE_INTEGER LocalTime, PLARGE_INTEGER SystemTime);

typedef struct _TIME_FIELDS {
    SHORT Year;
    SHORT Month; /* 1 to 12 */
    SHORT Day;   /* 1 to 31 */
    SHORT Hour;
    SHORT Minute;
    SHORT Second;
    SHORT Milliseconds;
    SHORT Weekday; /* 0 is Sunday */
} TIME_FIELDS, *PTIME_FIELDS;

VOID RtlTimeToTimeFields(PLARGE_INTEGER Time, PTIME_FIELDS TimeFields);
BOOLEAN RtlTimeFieldsToTime(PTIME_FIELDS TimeFields, PLARGE_INTEGER Time);

#endif
