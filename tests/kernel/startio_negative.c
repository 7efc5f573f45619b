/* Errors with StartIo and controllers. */
#define SUITE "negative.startio"
#include "startio_tool.h"

static PDEVICE_OBJECT Device;

static NTSTATUS DoNotMark(PKT_LAYER Layer, PIRP Irp)
{
    IoStartPacket(Layer->Device, Irp, NULL, NULL);
    return STATUS_PENDING;
}

/* Without a StartIo routine; with an IRP that is not marked pending. */
TEST(T_IoStartPacket_4)
{
    PIRP irp;
    PDRIVER_STARTIO startIo;
    PKT_LAYER layer;

    Device = KtMakeStartIoDevice();
    irp = KtMakeRequest(Device, 'a', 0);
    startIo = Device->DriverObject->DriverStartIo;
    Device->DriverObject->DriverStartIo = NULL;
    EXPECT_BUGCHECK(0xC9, 0x8A, Device, irp, 0)
    {
        IoCallDriver(Device, irp);
    }
    Device->DriverObject->DriverStartIo = startIo;
    IoReuseIrp(irp, STATUS_SUCCESS);

    layer = Device->DeviceExtension;
    layer->Dispatch = DoNotMark;
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_READ;
    EXPECT_BUGCHECK(0xC9, 0x8B, Device, irp, 0)
    {
        IoCallDriver(Device, irp);
    }
    KtFreeStartIoDevice(Device);
}

TEST(StartIo_at_the_wrong_irql)
{
    Device = KtMakeStartIoDevice();
    EXPECT_BUGCHECK(0xC4, RULE_IRQL_DISPATCH, PASSIVE_LEVEL, Device, 0)
    {
        IoStartNextPacket(Device, FALSE);
    }
    AT_IRQL(3)
    {
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_DISPATCH, 3, Device, 0)
        {
            IoStartNextPacket(Device, FALSE);
        }
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_KE_DISPATCH_LTE, 3, Device, 0)
        {
            IoStartNextPacketByKey(Device, FALSE, 1);
        }
    }
    KtFreeStartIoDevice(Device);
}

/* IoStartNextPacket for a device that does nothing. The report leaves the queue's lock held. */
TEST(IoStartNextPacket_of_an_idle_device)
{
    Device = KtMakeStartIoDevice();
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, RULE_DEVICE_QUEUE_BUSY, DISPATCH_LEVEL, &Device->DeviceQueue, 0)
        {
            IoStartNextPacket(Device, FALSE);
        }
        KeInitializeSpinLock(&Device->DeviceQueue.Lock);
    }
    KtFreeStartIoDevice(Device);
}

static VOID RaiseAndReturn(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp)
{
    KfRaiseIrql(5);
}

TEST(StartIo_returns_at_another_irql)
{
    PIRP irp;

    Device = KtMakeStartIoDevice();
    irp = KtMakeRequest(Device, 'a', 0);
    KtStartIo = RaiseAndReturn;
    EXPECT_BUGCHECK(0xC4, 0x2001D, 5, ANY, 0)
    {
        IoCallDriver(Device, irp);
    }
    KtFinishCurrent(Device);
    IoFreeIrp(irp);
    KtFreeStartIoDevice(Device);
}

/* ---- controllers ---- */

static IO_ALLOCATION_ACTION Result;

static IO_ALLOCATION_ACTION Control(UNUSED PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp,
                                    UNUSED PVOID MapRegisterBase, UNUSED PVOID Context)
{
    return Result;
}

TEST(controllers_at_the_wrong_irql)
{
    PCONTROLLER_OBJECT controller = IoCreateController(0);

    Device = KtMakeStartIoDevice();
    EXPECT_BUGCHECK(0xC4, RULE_IRQL_DISPATCH, PASSIVE_LEVEL, controller, 0)
    {
        IoAllocateController(controller, Device, Control, NULL);
    }
    EXPECT_BUGCHECK(0xC4, RULE_IRQL_DISPATCH, PASSIVE_LEVEL, controller, 0)
    {
        IoFreeController(controller);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_IO_PASSIVE, DISPATCH_LEVEL, ANY, 0)
        {
            IoCreateController(0);
        }
        EXPECT_BUGCHECK(0xC4, RULE_IRQL_IO_PASSIVE, DISPATCH_LEVEL, controller, 0)
        {
            IoDeleteController(controller);
        }
    }
    IoDeleteController(controller);
    KtFreeStartIoDevice(Device);
}

TEST(controllers_used_wrongly)
{
    PCONTROLLER_OBJECT controller = IoCreateController(0);
    PDEVICE_OBJECT other;

    other = KtMakeStartIoDevice();
    Device = KtMakeStartIoDevice();
    AT_IRQL(DISPATCH_LEVEL)
    {
        Result = DeallocateObjectKeepRegisters; /* for adapters */
        EXPECT_BUGCHECK(0xC9, 0x8D, ANY, DeallocateObjectKeepRegisters, other)
        {
            IoAllocateController(controller, other, Control, NULL);
        }
        IoAllocateController(controller, Device, Control, NULL); /* waits: the other has it */
        EXPECT_BUGCHECK(0xC9, 0x8C, Device, controller, 0)
        {
            IoAllocateController(controller, Device, Control, NULL);
        }
    }
    EXPECT_BUGCHECK(0xC9, 0x8E, controller, 0, 0)
    {
        IoDeleteController(controller);
    }
    AT_IRQL(DISPATCH_LEVEL)
    {
        Result = DeallocateObject;
        IoFreeController(controller);
    }
    IoDeleteController(controller);
    KtFreeStartIoDevice(Device);
    KtFreeStartIoDevice(other);
}
