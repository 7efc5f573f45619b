/* Drivers for the tests: the ones in tests/drivers, loaded and looked at by name. */
#ifndef METRONOME_TEST_DRIVER_H
#define METRONOME_TEST_DRIVER_H

#include "io.h"
#include "../drivers/testtool/testtool.h"

/* The driver object of a loaded built-in driver, or NULL. PASSIVE_LEVEL. */
PDRIVER_OBJECT KtFindDriver(PCSTR Name);

/* A driver object to create devices with: tests/drivers/testplain, loaded on first use. */
PDRIVER_OBJECT KtDriver(VOID);

/* The device of tests/drivers/testtool while it is loaded, and its extension; or NULL. */
PDEVICE_OBJECT KtToolDevice(VOID);
PTESTTOOL_EXTENSION KtToolExtension(VOID);

#endif
