/*
 * Loading and unloading a driver: in which order its routines are called, and what is undone when
 * one of them fails. Runs at PASSIVE_LEVEL; no lock is held around a driver's routine.
 */
#include "iop.h"
#include "ldr.h"

#define REGISTRY_PREFIX "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\"

/*
 * A routine of a driver that was called at PASSIVE_LEVEL has come back.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: after the call
 * Returns: nothing
 */
VOID IopCheckReturn(PVOID Routine)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, 0x2001D, "IrqlReturn", Routine);
    UNREFERENCED_PARAMETER(Routine);
}

static NTSTATUS CallDriverEntry(PLOADED_DRIVER Driver)
{
    const SIZE_T characters = 128;
    PWSTR buffer = ExAllocatePool2(POOL_FLAG_NON_PAGED, characters * sizeof(WCHAR), TAG_DRIVER);
    UNICODE_STRING registryPath;
    NTSTATUS status;

    if (!buffer)
        return STATUS_INSUFFICIENT_RESOURCES;
    IopMakeName(&registryPath, buffer, characters, REGISTRY_PREFIX, Driver->Image->Name);
    status = Driver->Object.DriverInit(&Driver->Object, &registryPath);
    IopCheckReturn((PVOID)Driver->Object.DriverInit);
    ExFreePoolWithTag(buffer, TAG_DRIVER);
    return status;
}

/* Devices that DriverEntry has made are ready; those of AddDevice are the driver's to declare. */
static VOID DeclareDevicesReady(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_OBJECT device = DriverObject->DeviceObject;

    for (; device; device = device->NextDevice)
        device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
}

/*
 * The end of a driver, loaded or not: its DPCs and work items are waited for before the storage
 * goes in which they may be kept, and what it should have undone is looked for.
 */
static NTSTATUS RemoveDriver(PLOADED_DRIVER Driver)
{
    const DRIVER_IMAGE *image = Driver->Image;
    NTSTATUS status;

    KeFlushQueuedDpcs();
    IopWaitForWorkItems(&Driver->Object);
    status = IopCheckLeftovers(&Driver->Object, Driver->Image->Name);
    IopForgetDriver(Driver);
    IopFreeDriver(Driver);
    LdrReleaseImage(image);
    return status;
}

/* A driver without Unload cannot be asked to undo what DriverEntry has done. */
static VOID CallUnload(PLOADED_DRIVER Driver)
{
    PDRIVER_UNLOAD unload = Driver->Object.DriverUnload;

    if (!unload)
        return;
    unload(&Driver->Object);
    IopCheckReturn((PVOID)unload);
}

/*
 * Loads a driver: DriverEntry, then AddDevice for its devices if it has one. When it gets none, the
 * driver is unloaded again.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: a thread that may wait
 * Returns: STATUS_IMAGE_ALREADY_LOADED, STATUS_INSUFFICIENT_RESOURCES, or what the driver says;
 *          after a failure nothing is left
 * Source:  contract T-DRIVER-1..3
 */
NTSTATUS IopLoadImage(const DRIVER_IMAGE *Image)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Image);

    PLOADED_DRIVER driver = IopMakeDriver(Image);
    NTSTATUS status;

    if (!driver) {
        LdrReleaseImage(Image);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (!IopInsertDriver(driver)) {
        ExFreePoolWithTag(driver, TAG_DRIVER);
        LdrReleaseImage(Image);
        return STATUS_IMAGE_ALREADY_LOADED;
    }
    status = CallDriverEntry(driver);
    if (NT_SUCCESS(status)) {
        DeclareDevicesReady(&driver->Object);
        status = IopAddDevices(driver);
        if (!NT_SUCCESS(status))
            CallUnload(driver);
    }
    if (NT_SUCCESS(status))
        IopDriverIsLoaded(driver);
    else
        RemoveDriver(driver);
    return status;
}

static NTSTATUS LoadFile(PLDR_FILE File)
{
    NTSTATUS status = LdrLoadFile(File);

    if (!NT_SUCCESS(status))
        return status;
    return IopLoadImage(&File->Driver);
}

/*
 * Why a driver's file was not made an image the last time.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: who has tried to load it
 * Returns: the end of a sentence about the file; NULL if the file was good, or there is none
 */
PCSTR IopWhyNotLoaded(PCSTR Name)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Name);

    PLDR_FILE file = LdrFindFile(Name);

    return file && file->Problem.Sentence[0] ? file->Problem.Sentence : NULL;
}

/*
 * Loads a driver: from its file if the loader has brought one, else the one in the image.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: a thread that may wait
 * Returns: STATUS_OBJECT_NAME_NOT_FOUND, or as IopLoadImage
 * Source:  contract T-DRIVER-1..3
 */
NTSTATUS IopLoadDriver(PCSTR Name)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Name);

    PLDR_FILE file = LdrFindFile(Name);

    if (file)
        return LoadFile(file);
    for (const DRIVER_IMAGE *image = IopBuiltInDrivers; image->Name; image++) {
        if (strcmp(image->Name, Name) == 0)
            return IopLoadImage(image);
    }
    return STATUS_OBJECT_NAME_NOT_FOUND;
}

/*
 * Unloads a driver.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: a thread that may wait
 * Returns: STATUS_OBJECT_NAME_NOT_FOUND if it is not loaded, STATUS_INVALID_DEVICE_REQUEST if it
 *          has no Unload routine, STATUS_DEVICE_BUSY if it is in use or does not let go
 *          of a device; STATUS_UNSUCCESSFUL if it has left devices behind, which are deleted then
 * Source:  contract T-DRIVER-4, T-KeFlushQueuedDpcs-5
 */
NTSTATUS IopUnloadDriver(PCSTR Name)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Name);

    PLOADED_DRIVER driver;
    NTSTATUS status = IopClaimForUnload(Name, &driver);

    if (!NT_SUCCESS(status))
        return status;
    status = IopRemoveDevices(driver);
    if (!NT_SUCCESS(status)) {
        IopCancelUnload(driver);
        return status;
    }
    CallUnload(driver);
    return RemoveDriver(driver);
}
