/* io.md: loading and unloading drivers: those of the tests, and the samples. */
#define SUITE "driver"
#include "suite.h"
#include "testdriver.h"
#include "ob.h"

#define POLITE_RUN MILLISECONDS(1200) /* how long a sample driver runs */

static MM_INFORMATION Before;

static VOID RememberMemory(VOID)
{
    KtDriver(); /* loaded once and for all */
    KeFlushQueuedDpcs();
    MmQueryInformation(&Before);
}

static VOID CheckMemory(VOID)
{
    MM_INFORMATION after;

    MmQueryInformation(&after);
    CHECK_EQUAL(after.PoolBlocks[0], Before.PoolBlocks[0]);
    CHECK_EQUAL(after.PoolBytes[0], Before.PoolBytes[0]);
    CHECK_EQUAL(after.PoolBlocks[1], Before.PoolBlocks[1]);
}

TEST(T_DRIVER_1)
{
    PTESTTOOL_EXTENSION extension;
    PDRIVER_OBJECT driver;

    RememberMemory();
    CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS);
    driver = KtFindDriver("testtool");
    extension = KtToolExtension();
    if (!CHECK(driver && extension))
        return;
    CHECK_EQUAL(extension->EntryIrql, PASSIVE_LEVEL);
    CHECK_EQUAL(extension->EntryCalls, 1);
    CHECK(extension->RegistryPathLength > 0);
    CHECK(extension->MajorFunctionsSet); /* the kernel's entry stands where the driver sets none */
    CHECK_EQUAL(driver->Type, 4);
    CHECK_EQUAL(driver->DriverStartIo, NULL);
    CHECK(driver->DriverUnload != NULL);
    CHECK(driver->DriverName.Length > 0);
    CHECK_EQUAL(driver->DriverExtension->DriverObject, driver);
    CHECK(driver->DriverSize > 0);
    CHECK((ULONG_PTR)driver->DriverInit - (ULONG_PTR)driver->DriverStart < driver->DriverSize);
    CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_IMAGE_ALREADY_LOADED);
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
    CHECK_EQUAL(KtFindDriver("testtool"), NULL);
    CheckMemory();
}

TEST(T_DRIVER_2)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\TestFailUnload");

    RememberMemory();
    CHECK_EQUAL(IopLoadDriver("testfail"), STATUS_NO_SUCH_DEVICE); /* what the driver says */
    CHECK_EQUAL(KtFindDriver("testfail"), NULL);
    CHECK_EQUAL(IoDeleteSymbolicLink(&link), STATUS_OBJECT_NAME_NOT_FOUND); /* no Unload */
    CHECK_EQUAL(IopLoadDriver("testfail"), STATUS_NO_SUCH_DEVICE);          /* and again */
    CheckMemory();
    CHECK_EQUAL(IopLoadDriver("nobody"), STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(!NT_SUCCESS(IopUnloadDriver("nobody")));
    CHECK(!NT_SUCCESS(IopUnloadDriver("testfail")));
    CheckMemory();
}

/* Whichever allocation fails while a driver is loaded, nothing is left behind. */
TEST(T_DRIVER_2_every_failure)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\TestTool");

    RememberMemory();
    for (ULONG n = 1; n < 12; n++) {
        NTSTATUS status;

        ExpFailEvery = n;
        status = IopLoadDriver("testtool");
        ExpFailEvery = 0;
        if (NT_SUCCESS(status))
            CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
        CHECK_EQUAL(KtFindDriver("testtool"), NULL);
        CHECK_EQUAL(ObpFindDevice(&name), NULL);
        CheckMemory();
    }
}

TEST(T_DRIVER_3__S_34)
{
    PTESTTOOL_EXTENSION extension;

    RememberMemory();
    CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS);
    extension = KtToolExtension();
    if (!CHECK(extension != NULL))
        return;
    CHECK_EQUAL(extension->AddDeviceIrql, PASSIVE_LEVEL);
    CHECK_EQUAL(extension->AddDeviceCalls, 1);
    CHECK(extension->PhysicalDevice != NULL);
    CHECK_EQUAL(extension->Lower, extension->PhysicalDevice);
    CHECK(extension->PhysicalDevice->DriverObject != extension->DriverObject);
    CHECK_EQUAL(extension->PhysicalDevice->AttachedDevice, KtToolDevice());
    CHECK_EQUAL(KtToolDevice()->StackSize, extension->PhysicalDevice->StackSize + 1);
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
    CheckMemory();
}

static volatile LONG UnloadCalls;
static KIRQL UnloadIrql;

TEST(T_DRIVER_4)
{
    PTESTTOOL_EXTENSION extension;
    PDEVICE_OBJECT above = NULL;

    RememberMemory();
    CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS);
    extension = KtToolExtension();
    if (!CHECK(extension != NULL))
        return;
    UnloadCalls = 0;
    UnloadIrql = POISON;
    extension->UnloadCalls = &UnloadCalls;
    extension->UnloadIrql = &UnloadIrql;
    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &above),
                STATUS_SUCCESS);
    CHECK_EQUAL(IoAttachDeviceToDeviceStack(above, KtToolDevice()), KtToolDevice());
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_DEVICE_BUSY); /* something is attached */
    CHECK_EQUAL(UnloadCalls, 0);
    CHECK(KtFindDriver("testtool") != NULL);
    IoDetachDevice(KtToolDevice());
    IoDeleteDevice(above);
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
    CHECK_EQUAL(UnloadCalls, 1);
    CHECK_EQUAL(UnloadIrql, PASSIVE_LEVEL);
    CheckMemory();
}

TEST(T_DRIVER_4_no_unload_routine)
{
    NTSTATUS status = IopLoadDriver("teststay");

    CHECK(status == STATUS_SUCCESS || status == STATUS_IMAGE_ALREADY_LOADED);
    CHECK_EQUAL(IopUnloadDriver("teststay"), STATUS_INVALID_DEVICE_REQUEST);
    CHECK(KtFindDriver("teststay") != NULL);
}

/* A DPC of the driver that is queued during its Unload has run when the unloading is over. */
static volatile LONG DpcRuns;
static KDPC LateDpc;

TEST_ON(2, T_KeFlushQueuedDpcs_5)
{
    PTESTTOOL_EXTENSION extension;

    CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS);
    extension = KtToolExtension();
    if (!CHECK(extension != NULL))
        return;
    DpcRuns = 0;
    KeInitializeDpc(&LateDpc, extension->CountingDpc, (PVOID)&DpcRuns);
    KeSetTargetProcessorDpc(&LateDpc, 1);
    KeSetImportanceDpc(&LateDpc, LowImportance);
    CHECK(KeInsertQueueDpc(&LateDpc, NULL, NULL));
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
    CHECK_EQUAL(DpcRuns, 1);
}

TEST(driver_of_an_address)
{
    PTESTTOOL_EXTENSION extension;

    CHECK_EQUAL(IopLoadDriver("testtool"), STATUS_SUCCESS);
    extension = KtToolExtension();
    if (!CHECK(extension != NULL))
        return;
    CHECK(IopFindDriverByAddress((PVOID)(ULONG_PTR)extension->Touch) != NULL);
    CHECK_EQUAL(
        strcmp(IopFindDriverByAddress((PVOID)(ULONG_PTR)extension->Touch)->Name, "testtool"), 0);
    CHECK_EQUAL(IopFindDriverByAddress((PVOID)(ULONG_PTR)IopLoadDriver), NULL);
    CHECK_EQUAL(IopUnloadDriver("testtool"), STATUS_SUCCESS);
}

/* ---- the samples: they load, work for a second, and leave nothing behind ---- */

static VOID RunSample(PCSTR Name)
{
    for (ULONG round = 0; round < 2; round++) {
        PDRIVER_OBJECT driver;
        NTSTATUS status;

        RememberMemory();
        status = IopLoadDriver(Name);
        if (!CHECK_EQUAL(status, STATUS_SUCCESS))
            return;
        driver = KtFindDriver(Name);
        CHECK(driver && driver->DeviceObject);
        KiSleep(round ? MILLISECONDS(50) : POLITE_RUN);
        CHECK_EQUAL(IopUnloadDriver(Name), STATUS_SUCCESS);
        CHECK_EQUAL(KtFindDriver(Name), NULL);
        CheckMemory();
        KiSleep(MILLISECONDS(100)); /* anything that still ticks would show now */
    }
}

TEST(sample_customtimer)
{
    RunSample("customtimer");
}

TEST(sample_rtc)
{
    RunSample("rtc");
}

TEST(sample_iotimer)
{
    RunSample("iotimer");
}

TEST(samples_together)
{
    static const PCSTR samples[] = {"customtimer", "rtc", "iotimer"};

    RememberMemory();
    for (ULONG i = 0; i < 3; i++)
        CHECK_EQUAL(IopLoadDriver(samples[i]), STATUS_SUCCESS);
    KiSleep(POLITE_RUN);
    for (ULONG i = 0; i < 3; i++)
        CHECK_EQUAL(IopUnloadDriver(samples[i]), STATUS_SUCCESS);
    CheckMemory();
}
