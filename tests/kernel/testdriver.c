/* Finds the driver objects of loaded drivers. PASSIVE_LEVEL. */
#include "suite.h"
#include "testdriver.h"
#include "ob.h"

typedef struct _SEARCH {
    PDRIVER_INITIALIZE DriverEntry;
    PDRIVER_OBJECT Found;
} SEARCH;

static VOID VisitDriver(PDRIVER_OBJECT DriverObject, PVOID Context)
{
    SEARCH *search = Context;

    if (DriverObject->DriverInit == search->DriverEntry)
        search->Found = DriverObject;
}

PDRIVER_OBJECT KtFindDriver(PCSTR Name)
{
    for (const DRIVER_IMAGE *driver = IopBuiltInDrivers; driver->Name; driver++) {
        SEARCH search = {driver->DriverEntry, NULL};

        if (strcmp(driver->Name, Name) != 0)
            continue;
        IopVisitDrivers(VisitDriver, &search);
        return search.Found;
    }
    return NULL;
}

PDRIVER_OBJECT KtDriver(VOID)
{
    PDRIVER_OBJECT driver = KtFindDriver("testplain");

    if (!driver) {
        CHECK_EQUAL(IopLoadDriver("testplain"), STATUS_SUCCESS);
        driver = KtFindDriver("testplain");
    }
    CHECK(driver != NULL);
    return driver;
}

PDEVICE_OBJECT KtToolDevice(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\TestTool");

    return ObpFindDevice(&name);
}

PTESTTOOL_EXTENSION KtToolExtension(VOID)
{
    PDEVICE_OBJECT device = KtToolDevice();
    PTESTTOOL_EXTENSION extension = device ? device->DeviceExtension : NULL;

    return extension && extension->Magic == TESTTOOL_MAGIC ? extension : NULL;
}
