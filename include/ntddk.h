/* Everything a driver needs, one header per concept. */
#ifndef METRONOME_NTDDK_H
#define METRONOME_NTDDK_H

#include "ntdef.h"
#include "ntstatus.h"
#include "list.h"
#include "rtl.h"
#include "bugcheck.h"
#include "debug.h"
#include "irql.h"
#include "spinlock.h"
#include "interlocked.h"
#include "dispatcher.h"
#include "wait.h"
#include "thread.h"
#include "fastmutex.h"
#include "dpc.h"
#include "timer.h"
#include "systime.h"
#include "pool.h"
#include "interrupt.h"
#include "port.h"
#include "device.h"
#include "iotimer.h"
#include "workitem.h"
#include "extimer.h"

#endif
