/*
 * Drivers: loading and unloading. Runs at PASSIVE_LEVEL; DriversLock protects the list and the
 * state of each entry, and no driver is called with it held. A driver that is being loaded or
 * unloaded is in the list already or still, so that nobody else begins with it.
 */
#include "iop.h"

#define REGISTRY_PREFIX "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\"
#define DRIVER_PREFIX   "\\Driver\\"

typedef enum _DRIVER_STATE { DriverLoading, DriverLoaded, DriverUnloading } DRIVER_STATE;

typedef struct _LOADED_DRIVER {
    LIST_ENTRY Links;
    DRIVER_STATE State;
    ULONG Visitors; /* keep it from being unloaded */
    const BUILT_IN_DRIVER *Image;
    PDEVICE_OBJECT PhysicalDevice; /* that AddDevice was called with, or NULL */
    DRIVER_OBJECT Object;
    DRIVER_EXTENSION Extension;
    WCHAR Name[64];
} LOADED_DRIVER, *PLOADED_DRIVER;

static LIST_ENTRY Drivers = {&Drivers, &Drivers};
static KSPIN_LOCK DriversLock;

/*
 * Makes the kernel ready to load drivers.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: the start of the system
 * Returns: nothing
 */
VOID IopInitialize(VOID)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", 0);
    IopInitializePnp();
}

/* Prefix and Name, widened, in Buffer; FALSE if it is too small. */
static BOOLEAN MakeName(PUNICODE_STRING Result, PWSTR Buffer, SIZE_T Characters, PCSTR Prefix,
                        PCSTR Name)
{
    SIZE_T prefixLength = strlen(Prefix);
    SIZE_T length = prefixLength + strlen(Name);

    if (length >= Characters)
        return FALSE;
    for (SIZE_T n = 0; n <= length; n++)
        Buffer[n] = (WCHAR)(UCHAR)(n < prefixLength ? Prefix[n] : Name[n - prefixLength]);
    RtlInitUnicodeString(Result, Buffer);
    return TRUE;
}

/* What is called for a kind of request that the driver has not said anything about. */
static NTSTATUS InvalidRequest(PDEVICE_OBJECT DeviceObject, struct _IRP *Irp)
{
    UNREFERENCED_PARAMETER(DeviceObject);
    UNREFERENCED_PARAMETER(Irp);
    return STATUS_INVALID_DEVICE_REQUEST;
}

static PLOADED_DRIVER MakeDriver(const BUILT_IN_DRIVER *Image)
{
    PLOADED_DRIVER driver = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(LOADED_DRIVER), TAG_DRIVER);
    PDRIVER_OBJECT object;

    if (!driver)
        return NULL;
    object = &driver->Object;
    driver->State = DriverLoading;
    driver->Image = Image;
    driver->Extension.DriverObject = object;
    object->Type = IO_TYPE_DRIVER;
    object->Size = sizeof(DRIVER_OBJECT);
    object->DriverStart = Image->TextStart;
    object->DriverSize = (ULONG)((PUCHAR)Image->TextEnd - (PUCHAR)Image->TextStart);
    object->DriverExtension = &driver->Extension;
    object->DriverInit = Image->DriverEntry;
    for (ULONG n = 0; n <= IRP_MJ_MAXIMUM_FUNCTION; n++)
        object->MajorFunction[n] = InvalidRequest;
    if (!MakeName(&object->DriverName, driver->Name, ARRAYSIZE(driver->Name), DRIVER_PREFIX,
                  Image->Name)) {
        ExFreePoolWithTag(driver, TAG_DRIVER);
        return NULL;
    }
    driver->Extension.ServiceKeyName.Buffer = driver->Name + strlen(DRIVER_PREFIX);
    driver->Extension.ServiceKeyName.Length = driver->Extension.ServiceKeyName.MaximumLength =
        (USHORT)(object->DriverName.Length - strlen(DRIVER_PREFIX) * sizeof(WCHAR));
    return driver;
}

/* Under DriversLock. */
static PLOADED_DRIVER FindDriver(PCSTR Name)
{
    for (PLIST_ENTRY link = Drivers.Flink; link != &Drivers; link = link->Flink) {
        PLOADED_DRIVER driver = CONTAINING_RECORD(link, LOADED_DRIVER, Links);

        if (strcmp(driver->Image->Name, Name) == 0)
            return driver;
    }
    return NULL;
}

/* FALSE if a driver of this name is there. */
static BOOLEAN InsertDriver(PLOADED_DRIVER Driver)
{
    BOOLEAN found;
    KIRQL oldIrql;

    KeAcquireSpinLock(&DriversLock, &oldIrql);
    found = FindDriver(Driver->Image->Name) != NULL;
    if (!found)
        InsertTailList(&Drivers, &Driver->Links);
    KeReleaseSpinLock(&DriversLock, oldIrql);
    return !found;
}

static VOID SetState(PLOADED_DRIVER Driver, DRIVER_STATE State)
{
    KIRQL oldIrql;

    KeAcquireSpinLock(&DriversLock, &oldIrql);
    Driver->State = State;
    KeReleaseSpinLock(&DriversLock, oldIrql);
}

/* The routines of a driver that are called at PASSIVE_LEVEL return at PASSIVE_LEVEL. */
static VOID CheckReturn(PVOID Routine)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, 0x2001D, "IrqlReturn", Routine);
    UNREFERENCED_PARAMETER(Routine);
}

static NTSTATUS CallDriverEntry(PLOADED_DRIVER Driver)
{
    const SIZE_T characters = 128;
    PWSTR buffer =
        ExAllocatePool2(POOL_FLAG_NON_PAGED, characters * sizeof(WCHAR), TAG_DRIVER);
    UNICODE_STRING registryPath;
    NTSTATUS status;

    if (!buffer)
        return STATUS_INSUFFICIENT_RESOURCES;
    MakeName(&registryPath, buffer, characters, REGISTRY_PREFIX, Driver->Image->Name);
    status = Driver->Object.DriverInit(&Driver->Object, &registryPath);
    CheckReturn((PVOID)Driver->Object.DriverInit);
    ExFreePoolWithTag(buffer, TAG_DRIVER);
    return status;
}

static NTSTATUS CallAddDevice(PLOADED_DRIVER Driver)
{
    PDRIVER_ADD_DEVICE addDevice = Driver->Extension.AddDevice;
    NTSTATUS status;

    if (!addDevice)
        return STATUS_SUCCESS;
    status = IopCreatePhysicalDevice(Driver->Image->Name, &Driver->PhysicalDevice);
    if (!NT_SUCCESS(status))
        return status;
    status = addDevice(&Driver->Object, Driver->PhysicalDevice);
    CheckReturn((PVOID)addDevice);
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
 * The end of a driver, loaded or not: its DPCs are waited for before the storage goes in which
 * they may be kept, and what it should have undone is looked for.
 */
static NTSTATUS RemoveDriver(PLOADED_DRIVER Driver)
{
    NTSTATUS status;
    KIRQL oldIrql;

    KeFlushQueuedDpcs();
    status = IopCheckLeftovers(&Driver->Object, Driver->Image->Name);
    if (Driver->PhysicalDevice)
        IoDeleteDevice(Driver->PhysicalDevice);

    KeAcquireSpinLock(&DriversLock, &oldIrql);
    RemoveEntryList(&Driver->Links);
    KeReleaseSpinLock(&DriversLock, oldIrql);
    ExFreePoolWithTag(Driver, TAG_DRIVER);
    return status;
}

/* A driver without Unload cannot be asked to undo what DriverEntry has done. */
static VOID CallUnload(PLOADED_DRIVER Driver)
{
    PDRIVER_UNLOAD unload = Driver->Object.DriverUnload;

    if (!unload)
        return;
    unload(&Driver->Object);
    CheckReturn((PVOID)unload);
}

/*
 * Loads a driver: DriverEntry, then AddDevice if it has one. When AddDevice fails the driver is
 * unloaded again.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes DriversLock, not around the driver's routines
 * Context: a thread that may wait
 * Returns: STATUS_IMAGE_ALREADY_LOADED, STATUS_INSUFFICIENT_RESOURCES, or what the driver says;
 *          after a failure nothing is left
 * Source:  contract T-DRIVER-1..3
 */
NTSTATUS IopLoadImage(const BUILT_IN_DRIVER *Image)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Image);

    PLOADED_DRIVER driver = MakeDriver(Image);
    NTSTATUS status;

    if (!driver)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!InsertDriver(driver)) {
        ExFreePoolWithTag(driver, TAG_DRIVER);
        return STATUS_IMAGE_ALREADY_LOADED;
    }
    status = CallDriverEntry(driver);
    if (NT_SUCCESS(status)) {
        DeclareDevicesReady(&driver->Object);
        status = CallAddDevice(driver);
        if (!NT_SUCCESS(status))
            CallUnload(driver);
    }
    if (NT_SUCCESS(status))
        SetState(driver, DriverLoaded);
    else
        RemoveDriver(driver);
    return status;
}

/*
 * Loads a driver that is linked into the image.
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

    for (const BUILT_IN_DRIVER *image = IopBuiltInDrivers; image->Name; image++) {
        if (strcmp(image->Name, Name) == 0)
            return IopLoadImage(image);
    }
    return STATUS_OBJECT_NAME_NOT_FOUND;
}

/* Does anybody refer to one of the driver's devices, or stand on it? */
static BOOLEAN IsInUse(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_OBJECT device;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopDeviceLock, &oldIrql);
    device = DriverObject->DeviceObject;
    while (device && device->ReferenceCount == 0 && !device->AttachedDevice)
        device = device->NextDevice;
    KeReleaseSpinLock(&IopDeviceLock, oldIrql);
    return device != NULL;
}

/* Finds the driver and makes it ours to unload. */
static NTSTATUS ClaimForUnload(PCSTR Name, PLOADED_DRIVER *Driver)
{
    NTSTATUS status = STATUS_SUCCESS;
    PLOADED_DRIVER driver;
    KIRQL oldIrql;

    KeAcquireSpinLock(&DriversLock, &oldIrql);
    driver = FindDriver(Name);
    if (!driver)
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    else if (driver->State != DriverLoaded || driver->Visitors)
        status = STATUS_DEVICE_BUSY;
    else if (!driver->Object.DriverUnload)
        status = STATUS_INVALID_DEVICE_REQUEST;
    else if (IsInUse(&driver->Object))
        status = STATUS_DEVICE_BUSY;
    else
        driver->State = DriverUnloading;
    KeReleaseSpinLock(&DriversLock, oldIrql);
    *Driver = driver;
    return status;
}

/*
 * Unloads a driver.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes DriversLock, in it IopDeviceLock; none around the driver's routine
 * Context: a thread that may wait
 * Returns: STATUS_OBJECT_NAME_NOT_FOUND if it is not loaded, STATUS_INVALID_DEVICE_REQUEST if it
 *          has no Unload routine, STATUS_DEVICE_BUSY if it is in use; STATUS_UNSUCCESSFUL if it
 *          has left devices behind, which are deleted then
 * Source:  contract T-DRIVER-4, T-KeFlushQueuedDpcs-5
 */
NTSTATUS IopUnloadDriver(PCSTR Name)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Name);

    PLOADED_DRIVER driver;
    NTSTATUS status = ClaimForUnload(Name, &driver);

    if (!NT_SUCCESS(status))
        return status;
    CallUnload(driver);
    return RemoveDriver(driver);
}

/*
 * The built-in driver whose code contains an address.
 *
 * IRQL:    any
 * Locks:   none: the table is constant
 * Context: any
 * Returns: NULL if there is none
 */
const BUILT_IN_DRIVER *IopFindDriverByAddress(const VOID *Address)
{
    for (const BUILT_IN_DRIVER *image = IopBuiltInDrivers; image->Name; image++) {
        if (Address >= image->TextStart && Address < image->TextEnd)
            return image;
    }
    return NULL;
}

/* The loaded driver behind Previous (NULL: the first one), kept from being unloaded. */
static PLOADED_DRIVER NextDriver(PLOADED_DRIVER Previous)
{
    PLIST_ENTRY link;
    PLOADED_DRIVER driver = NULL;
    KIRQL oldIrql;

    KeAcquireSpinLock(&DriversLock, &oldIrql);
    link = Previous ? Previous->Links.Flink : Drivers.Flink;
    for (; link != &Drivers && !driver; link = link->Flink) {
        driver = CONTAINING_RECORD(link, LOADED_DRIVER, Links);
        if (driver->State != DriverLoaded)
            driver = NULL;
    }
    if (driver)
        driver->Visitors++;
    if (Previous)
        Previous->Visitors--;
    KeReleaseSpinLock(&DriversLock, oldIrql);
    return driver;
}

/*
 * Calls Visit for every loaded driver, without a lock. It cannot be unloaded meanwhile.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes DriversLock, not around Visit
 * Context: the monitor
 * Returns: nothing
 */
VOID IopVisitDrivers(IOP_DRIVER_VISITOR *Visit, PVOID Context)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Visit);

    PLOADED_DRIVER driver = NextDriver(NULL);

    while (driver) {
        Visit(&driver->Object, Context);
        driver = NextDriver(driver);
    }
}
