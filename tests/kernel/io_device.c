/* io.md: device objects, device stacks. */
#define SUITE "io.device"
#include "suite.h"
#include "testdriver.h"
#include "ob.h"

static PDEVICE_OBJECT Create(ULONG ExtensionSize, PUNICODE_STRING Name)
{
    PDEVICE_OBJECT device = NULL;

    CHECK_EQUAL(
        IoCreateDevice(KtDriver(), ExtensionSize, Name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device),
        STATUS_SUCCESS);
    return device;
}

static ULONG CountDevices(VOID)
{
    ULONG count = 0;

    for (PDEVICE_OBJECT device = KtDriver()->DeviceObject; device; device = device->NextDevice)
        count++;
    return count;
}

TEST(T_IoCreateDevice_1__S_6__S_13)
{
    static const ULONG sizes[] = {0, 1, 16, 100, 1000, 4000, 20000};

    for (ULONG i = 0; i < ARRAYSIZE(sizes); i++) {
        PDEVICE_OBJECT device = Create(sizes[i], NULL);
        UCHAR *extension = device->DeviceExtension;
        ULONG sum = 0;

        if (sizes[i])
            CHECK(extension != NULL);
        for (ULONG j = 0; j < sizes[i]; j++)
            sum += extension[j];
        CHECK_EQUAL(sum, 0); /* zeroed */
        AT_IRQL(HIGH_LEVEL)  /* resident: at any IRQL */
        {
            for (ULONG j = 0; j < sizes[i]; j++)
                extension[j] = POISON;
        }
        CHECK_EQUAL(device->Type, 3); /* writing the extension spoils nothing */
        CHECK_EQUAL(device->DriverObject, KtDriver());
        IoDeleteDevice(device);
    }
}

TEST(T_IoCreateDevice_2)
{
    PDEVICE_OBJECT device = NULL;

    CHECK_EQUAL(IoCreateDevice(KtDriver(), 64, NULL, FILE_DEVICE_SERIAL_PORT,
                               FILE_DEVICE_SECURE_OPEN, FALSE, &device),
                STATUS_SUCCESS);
    CHECK_EQUAL((ULONG_PTR)device % 16, 0);
    CHECK_EQUAL(device->DeviceType, FILE_DEVICE_SERIAL_PORT);
    CHECK_EQUAL(device->Characteristics, FILE_DEVICE_SECURE_OPEN);
    CHECK_EQUAL(device->StackSize, 1);
    CHECK_EQUAL(device->CurrentIrp, NULL);
    CHECK_EQUAL(device->Timer, NULL);
    CHECK_EQUAL(device->AttachedDevice, NULL);
    CHECK(device->Flags & DO_DEVICE_INITIALIZING);
    CHECK(!(device->Flags & DO_EXCLUSIVE));
    CHECK_EQUAL(device->DeviceQueue.Type, DeviceQueueObject);
    CHECK_EQUAL(device->DeviceQueue.Busy, FALSE);
    CHECK(IsListEmpty(&device->DeviceQueue.DeviceListHead));
    IoDeleteDevice(device);
    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, TRUE, &device),
                STATUS_SUCCESS);
    CHECK(device->Flags & DO_EXCLUSIVE);
    IoDeleteDevice(device);
}

TEST(T_IoCreateDevice_2_driver_list)
{
    ULONG count = CountDevices();
    PDEVICE_OBJECT first = Create(0, NULL), second = Create(0, NULL), third = Create(0, NULL);

    CHECK_EQUAL(CountDevices(), count + 3);
    CHECK_EQUAL(KtDriver()->DeviceObject, third); /* the newest first */
    CHECK_EQUAL(third->NextDevice, second);
    CHECK_EQUAL(second->NextDevice, first);
    IoDeleteDevice(second); /* from the middle */
    CHECK_EQUAL(third->NextDevice, first);
    IoDeleteDevice(third);
    CHECK_EQUAL(KtDriver()->DeviceObject, first);
    IoDeleteDevice(first);
    CHECK_EQUAL(CountDevices(), count);
}

TEST(T_IoCreateDevice_3)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\KtTwice");
    PDEVICE_OBJECT first = Create(0, &name), second = NULL;
    ULONG count = CountDevices();
    NTSTATUS status;

    CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &second),
                STATUS_OBJECT_NAME_COLLISION);
    CHECK_EQUAL(CountDevices(), count);
    ExpFailEvery = 1;
    status = IoCreateDevice(KtDriver(), 10, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &second);
    ExpFailEvery = 0;
    CHECK_EQUAL(status, STATUS_INSUFFICIENT_RESOURCES);
    CHECK_EQUAL(CountDevices(), count);
    IoDeleteDevice(first);
    first = Create(0, &name); /* the name went with the device */
    IoDeleteDevice(first);
}

/* Of one tag only: threads that earlier tests have ended may be freed meanwhile. */
static SIZE_T BlocksWithTag(ULONG Tag)
{
    SIZE_T blocks, bytes;

    ExQueryPoolTag(Tag, &blocks, &bytes);
    return blocks;
}

/* Whichever allocation fails, nothing is left behind. */
TEST(T_IoCreateDevice_3_every_failure)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\KtFails");
    ULONG count = CountDevices();
    SIZE_T devices = BlocksWithTag('iveD'), names = BlocksWithTag('maNO');

    for (ULONG n = 1; n < 8; n++) {
        PDEVICE_OBJECT device = NULL;
        NTSTATUS status;

        ExpFailEvery = n;
        status = IoCreateDevice(KtDriver(), 10, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
        ExpFailEvery = 0;
        if (NT_SUCCESS(status))
            IoDeleteDevice(device);
        else
            CHECK_EQUAL(status, STATUS_INSUFFICIENT_RESOURCES);
        CHECK_EQUAL(CountDevices(), count);
        CHECK_EQUAL(ObpFindDevice(&name), NULL);
    }
    CHECK_EQUAL(BlocksWithTag('iveD'), devices);
    CHECK_EQUAL(BlocksWithTag('maNO'), names);
}

TEST(T_IoCreateDevice_1__T_IoDeleteDevice_1_apc_level)
{
    ULONG count = CountDevices();
    SIZE_T blocks = BlocksWithTag('iveD');

    AT_IRQL(APC_LEVEL) /* */
    {
        PDEVICE_OBJECT device = Create(100, NULL);

        CHECK_EQUAL(CountDevices(), count + 1);
        IoDeleteDevice(device);
    }
    CHECK_EQUAL(CountDevices(), count);
    CHECK_EQUAL(BlocksWithTag('iveD'), blocks); /* freed at once: unreferenced */
}

/* With a reference left the object stays until that goes; its name goes at once. */
TEST(T_IoDeleteDevice_1_referenced)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\KtReferenced");
    PDEVICE_OBJECT device = Create(100, &name);
    SIZE_T blocks = BlocksWithTag('iveD');

    CHECK(IopReferenceDevice(device));
    IoDeleteDevice(device);
    CHECK_EQUAL(ObpFindDevice(&name), NULL);
    CHECK_EQUAL(device->Type, 3); /* still an object */
    memset(device->DeviceExtension, POISON, 100);
    CHECK(!IopReferenceDevice(device)); /* but nobody gets a new reference */
    IopDereferenceDevice(device);
    CHECK_EQUAL(BlocksWithTag('iveD'), blocks - 1);
}

/* What a driver keeps in its extension, it cancels before it deletes the device. */
TEST(T_IoDeleteDevice_3__S_38)
{
    PDEVICE_OBJECT device = Create(sizeof(KT_PROBE), NULL);
    PKT_PROBE probe = device->DeviceExtension;

    KtPrepareProbe(probe);
    KtSetProbe(probe, KtIn(SECONDS(100)), 100);
    CHECK_EQUAL(KeCancelTimer(&probe->Timer), TRUE);
    KeFlushQueuedDpcs();
    CHECK_EQUAL(KeRemoveQueueDpc(&probe->Dpc), FALSE);
    IoDeleteDevice(device);
}

TEST(T_IoAttach_1)
{
    PDEVICE_OBJECT bottom = Create(0, NULL), middle = Create(0, NULL), top = Create(0, NULL);

    CHECK_EQUAL(IoAttachDeviceToDeviceStack(middle, bottom), bottom); /* the former top */
    CHECK_EQUAL(middle->StackSize, bottom->StackSize + 1);
    CHECK_EQUAL(bottom->AttachedDevice, middle);
    CHECK_EQUAL(IoAttachDeviceToDeviceStack(top, bottom), middle); /* on the top of the stack */
    CHECK_EQUAL(top->StackSize, middle->StackSize + 1);
    CHECK_EQUAL(middle->AttachedDevice, top);
    IoDetachDevice(middle);
    CHECK_EQUAL(middle->AttachedDevice, NULL);
    IoDetachDevice(bottom);
    CHECK_EQUAL(bottom->AttachedDevice, NULL);
    IoDeleteDevice(top);
    IoDeleteDevice(middle);
    IoDeleteDevice(bottom);
}
