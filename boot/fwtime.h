/* The firmware's calendar, turned into the kernel's count of time. */
#ifndef METRONOME_BOOT_FWTIME_H
#define METRONOME_BOOT_FWTIME_H

#include <stdint.h>

#define FIRMWARE_TIME_ZONE_UNKNOWN 0x7FF

/* What UEFI's GetTime says, field by field. */
typedef struct _FIRMWARE_TIME {
    uint32_t Year;       /* 1900 to 9999 */
    uint32_t Month;      /* 1 to 12 */
    uint32_t Day;        /* 1 to the length of the month */
    uint32_t Hour;       /* 0 to 23 */
    uint32_t Minute;     /* 0 to 59 */
    uint32_t Second;     /* 0 to 59 */
    uint32_t Nanosecond; /* 0 to 999999999 */
    int32_t TimeZone;    /* minutes from local time to UTC, -1440 to 1440, or unknown: UTC then */
} FIRMWARE_TIME;

/*
 * Converts Time to 100-ns units since the beginning of 1601, UTC.
 *
 * Returns: the count, or 0 if Time is not a moment of the calendar
 */
int64_t FirmwareTimeToCount(const FIRMWARE_TIME *Time);

#endif
