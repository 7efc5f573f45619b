/*
 * The list of drivers. DriversLock (DISPATCH_LEVEL) protects it and the state of each entry. A
 * driver that is being loaded or unloaded is in the list already or still, so that nobody else
 * begins with it; load.c says what happens in between.
 */
#include "iop.h"
#include "ldr.h"
#include "pcifunction.h"

#define DRIVER_PREFIX "\\Driver\\"

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
    IopPciInitialize();
    IopInitializePnp();
}

/*
 * Writes Prefix and Name, both ASCII, as a string of wide characters into Buffer.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: FALSE if the buffer is too small
 */
BOOLEAN IopMakeName(PUNICODE_STRING Result, PWSTR Buffer, SIZE_T Characters, PCSTR Prefix,
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

/*
 * Makes the entry of a driver that is going to be loaded, with its driver object filled in.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   none
 * Context: loading
 * Returns: NULL when there is no memory, or when the name is too long
 */
PLOADED_DRIVER IopMakeDriver(const DRIVER_IMAGE *Image)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Image);

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
    object->DriverSection = LdrFindByAddress(Image->TextStart);
    object->DriverExtension = &driver->Extension;
    object->DriverInit = Image->DriverEntry;
    for (ULONG n = 0; n <= IRP_MJ_MAXIMUM_FUNCTION; n++)
        object->MajorFunction[n] = IopInvalidDeviceRequest;
    if (!IopMakeName(&object->DriverName, driver->Name, ARRAYSIZE(driver->Name), DRIVER_PREFIX,
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

/*
 * Puts a driver into the list, unless one of its name is there.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes DriversLock
 * Context: loading
 * Returns: FALSE if there is one
 */
BOOLEAN IopInsertDriver(PLOADED_DRIVER Driver)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Driver);

    BOOLEAN found;
    KIRQL oldIrql;

    KeAcquireSpinLock(&DriversLock, &oldIrql);
    found = FindDriver(Driver->Image->Name) != NULL;
    if (!found)
        InsertTailList(&Drivers, &Driver->Links);
    KeReleaseSpinLock(&DriversLock, oldIrql);
    return !found;
}

/*
 * The driver works: from now on it can be unloaded.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes DriversLock
 * Context: the end of loading
 * Returns: nothing
 */
VOID IopDriverIsLoaded(PLOADED_DRIVER Driver)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Driver);

    KIRQL oldIrql;

    KeAcquireSpinLock(&DriversLock, &oldIrql);
    Driver->State = DriverLoaded;
    KeReleaseSpinLock(&DriversLock, oldIrql);
}

/*
 * Takes a driver out of the list and frees its driver object.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes DriversLock
 * Context: the end of unloading, or of loading that has failed
 * Returns: nothing
 */
VOID IopFreeDriver(PLOADED_DRIVER Driver)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Driver);

    KIRQL oldIrql;

    KeAcquireSpinLock(&DriversLock, &oldIrql);
    RemoveEntryList(&Driver->Links);
    KeReleaseSpinLock(&DriversLock, oldIrql);
    ExFreePoolWithTag(Driver, TAG_DRIVER);
}

/*
 * If nobody refers to one of the driver's devices or stands on it, nobody will open one from now
 * on. FALSE if somebody does.
 */
static BOOLEAN CloseToNewOpens(PDRIVER_OBJECT DriverObject)
{
    PDEVICE_OBJECT device;
    BOOLEAN unused;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopDeviceLock, &oldIrql);
    device = DriverObject->DeviceObject;
    while (device && device->ReferenceCount == 0 && !device->AttachedDevice &&
           ObpReferences(device) == 1)
        device = device->NextDevice;
    unused = !device;
    for (device = DriverObject->DeviceObject; device && unused; device = device->NextDevice)
        device->DeviceObjectExtension->UnloadPending = TRUE;
    KeReleaseSpinLock(&IopDeviceLock, oldIrql);
    return unused;
}

/*
 * Ends what IopClaimForUnload has begun: the driver stays, and its devices can be opened again.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes IopDeviceLock, then DriversLock
 * Context: unloading that has been refused
 * Returns: nothing
 */
VOID IopCancelUnload(PLOADED_DRIVER Driver)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Driver);

    PDEVICE_OBJECT device;
    KIRQL oldIrql;

    KeAcquireSpinLock(&IopDeviceLock, &oldIrql);
    for (device = Driver->Object.DeviceObject; device; device = device->NextDevice)
        device->DeviceObjectExtension->UnloadPending = FALSE;
    KeReleaseSpinLock(&IopDeviceLock, oldIrql);
    IopDriverIsLoaded(Driver);
}

/*
 * Finds a driver and makes it the caller's to unload.
 *
 * IRQL:    PASSIVE_LEVEL
 * Locks:   takes DriversLock, in it IopDeviceLock
 * Context: unloading
 * Returns: STATUS_OBJECT_NAME_NOT_FOUND, STATUS_INVALID_DEVICE_REQUEST (no Unload routine),
 *          STATUS_DEVICE_BUSY
 * Source:  contract T-DRIVER-4
 */
NTSTATUS IopClaimForUnload(PCSTR Name, PLOADED_DRIVER *Driver)
{
    KI_REQUIRE_IRQL_AT_MOST(PASSIVE_LEVEL, RULE_IRQL_IO_PASSIVE, "IrqlIoPassive1", Name);

    NTSTATUS status = STATUS_SUCCESS;
    PLOADED_DRIVER driver;
    KIRQL oldIrql;

    KeAcquireSpinLock(&DriversLock, &oldIrql);
    driver = FindDriver(Name);
    if (!driver)
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    else if (!driver->Object.DriverUnload)
        status = STATUS_INVALID_DEVICE_REQUEST;
    else if (driver->State != DriverLoaded || driver->Visitors || !CloseToNewOpens(&driver->Object))
        status = STATUS_DEVICE_BUSY;
    else
        driver->State = DriverUnloading;
    KeReleaseSpinLock(&DriversLock, oldIrql);
    *Driver = driver;
    return status;
}

/*
 * The driver whose code contains an address.
 *
 * IRQL:    any
 * Locks:   none: the table is constant, and files stay
 * Context: any
 * Returns: NULL if there is none
 */
const DRIVER_IMAGE *IopFindDriverByAddress(const VOID *Address)
{
    PLDR_FILE file = LdrFindByAddress(Address);

    if (file)
        return &file->Driver;
    for (const DRIVER_IMAGE *image = IopBuiltInDrivers; image->Name; image++) {
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
 * IRQL:    <= APC_LEVEL
 * Locks:   takes DriversLock, not around Visit
 * Context: the monitor
 * Returns: nothing
 */
VOID IopVisitDrivers(IOP_DRIVER_VISITOR *Visit, PVOID Context)
{
    KI_REQUIRE_IRQL_AT_MOST(APC_LEVEL, RULE_IRQL_IO_APC_LTE, "IrqlIoApcLte", Visit);

    PLOADED_DRIVER driver = NextDriver(NULL);

    while (driver) {
        Visit(&driver->Object, Context);
        driver = NextDriver(driver);
    }
}
