/* io.md: controller objects. */
#define SUITE "io.controller"
#include "startio_tool.h"

#define DEVICES 3

static PCONTROLLER_OBJECT Controller;
static PDEVICE_OBJECT Devices[DEVICES];
static IO_ALLOCATION_ACTION Action;
static volatile LONG Calls;

static VOID Prepare(VOID)
{
    Controller = IoCreateController(64);
    for (ULONG n = 0; n < DEVICES; n++) {
        CHECK_EQUAL(IoCreateDevice(KtDriver(), 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Devices[n]),
                    STATUS_SUCCESS);
        Devices[n]->CurrentIrp = (PIRP)(ULONG_PTR)(0x1000 + n); /* only passed through here */
    }
    Action = KeepObject;
    Calls = 0;
    KtTraceReset();
}

static VOID Finish(VOID)
{
    for (ULONG n = 0; n < DEVICES; n++)
        IoDeleteDevice(Devices[n]);
    IoDeleteController(Controller);
}

/* ControllerControl; Context is the device's number. */
static DRIVER_CONTROL Control;
static IO_ALLOCATION_ACTION Control(PDEVICE_OBJECT DeviceObject, PIRP Irp,
                                    UNUSED PVOID MapRegisterBase, PVOID Context)
{
    ULONG number = (ULONG)(ULONG_PTR)Context;

    CHECK_IRQL(DISPATCH_LEVEL);
    CHECK_EQUAL(DeviceObject, Devices[number]);
    CHECK_EQUAL(Irp, Devices[number]->CurrentIrp);
    CHECK(KeTestSpinLock(&Controller->DeviceWaitQueue.Lock));
    KtTrace((CHAR)('0' + number));
    Calls++;
    return Action;
}

static VOID Allocate(ULONG Number)
{
    IoAllocateController(Controller, Devices[Number], Control, (PVOID)(ULONG_PTR)Number);
}

TEST(T_IoCreateController_1__T_IoDeleteController_1)
{
    PCONTROLLER_OBJECT controller = IoCreateController(3000);
    PUCHAR extension = controller->ControllerExtension;

    CHECK_EQUAL(controller->Type, IO_TYPE_CONTROLLER);
    CHECK_EQUAL(controller->DeviceWaitQueue.Busy, FALSE);
    CHECK_EQUAL((ULONG_PTR)extension % 16, 0);
    for (ULONG n = 0; n < 3000; n++)
        if (!CHECK_EQUAL(extension[n], 0))
            break;
    memset(extension, POISON, 3000); /* a wrong size would be found when it is freed */
    IoDeleteController(controller);

    controller = IoCreateController(0);
    CHECK(controller != NULL);
    IoDeleteController(controller);
    ExpFailEvery = 1;
    CHECK_EQUAL(IoCreateController(16), NULL);
    ExpFailEvery = 0;
}

/* Free: at once. Busy: when those before have freed it, and the device's IRP of that moment. */
TEST(T_IoAllocateController_1__T_IoAllocateController_2__T_IoFreeController_1)
{
    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        Allocate(0);
        CHECK_TRACE("0");
        Allocate(2);
        Allocate(1);
        CHECK_TRACE("0");
        Devices[2]->CurrentIrp = (PIRP)(ULONG_PTR)0x2000;
        IoFreeController(Controller);
        CHECK_TRACE("02");
        Allocate(0); /* again, behind the one that waits */
        IoFreeController(Controller);
        CHECK_TRACE("021");
        IoFreeController(Controller);
        CHECK_TRACE("0210");
        CHECK_EQUAL(Controller->DeviceWaitQueue.Busy, TRUE);
        IoFreeController(Controller);
        CHECK_EQUAL(Controller->DeviceWaitQueue.Busy, FALSE);
        CHECK_EQUAL(Calls, 4);
    }
    Finish();
}

TEST(T_IoAllocateController_3)
{
    Prepare();
    AT_IRQL(DISPATCH_LEVEL)
    {
        Action = DeallocateObject; /* the routine has done everything */
        Allocate(0);
        CHECK_TRACE("0");
        CHECK_EQUAL(Controller->DeviceWaitQueue.Busy, FALSE);
        Action = KeepObject;
        Allocate(0);
        Allocate(1);
        Allocate(2);
        Action = DeallocateObject; /* the two that wait have their turns one after the other */
        IoFreeController(Controller);
        CHECK_TRACE("0012");
        CHECK_EQUAL(Controller->DeviceWaitQueue.Busy, FALSE);
    }
    Finish();
}

/* ---- two devices with requests of their own on one controller ---- */

#define VECTOR KT_VECTOR(8, 0)
#define TURNS  4

static PKINTERRUPT Interrupt;
static PDEVICE_OBJECT Owner; /* whose request the hardware works on; NULL: nobody's */
static volatile LONG Overlaps;

static IO_ALLOCATION_ACTION StartHardware(PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp,
                                          UNUSED PVOID MapRegisterBase, UNUSED PVOID Context)
{
    if (Owner)
        Overlaps++;
    Owner = DeviceObject;
    KtInterruptHere(VECTOR);
    return KeepObject;
}

static VOID WantController(PDEVICE_OBJECT DeviceObject, UNUSED PIRP Irp)
{
    IoAllocateController(Controller, DeviceObject, StartHardware, NULL);
}

SERVICE_ROUTINE(Isr)
{
    IoRequestDpc(Owner, Owner->CurrentIrp, NULL);
    return TRUE;
}

/* T-IO_DPC-2: the controller is freed before the IRP is completed. */
static IO_DPC_ROUTINE DpcForIsr;
static VOID DpcForIsr(UNUSED PKDPC Dpc, PDEVICE_OBJECT DeviceObject, PIRP Irp, UNUSED PVOID Context)
{
    CHECK_EQUAL(Owner, DeviceObject);
    Owner = NULL;
    IoFreeController(Controller); /* the other device's turn: it interrupts at once */
    IoStartNextPacket(DeviceObject, FALSE);
    KtComplete(Irp, STATUS_SUCCESS);
}

TEST(T_IO_DPC_2)
{
    PDEVICE_OBJECT first = KtMakeStartIoDevice(), second = KtMakeStartIoDevice();
    PIRP irps[2 * TURNS];

    Controller = IoCreateController(0);
    Owner = NULL;
    Overlaps = 0;
    KtStartIo = WantController;
    IoInitializeDpcRequest(first, DpcForIsr);
    IoInitializeDpcRequest(second, DpcForIsr);
    CHECK_EQUAL(KtConnect(&Interrupt, VECTOR, Isr, NULL), STATUS_SUCCESS);
    AT_IRQL(DISPATCH_LEVEL)
    {
        for (ULONG n = 0; n < TURNS; n++) {
            irps[2 * n] = KtRequest(first, (CHAR)('a' + n), 0);
            irps[2 * n + 1] = KtRequest(second, (CHAR)('A' + n), 0);
        }
        CHECK_TRACE("aA"); /* both have a current request, the first has the controller */
        CHECK_EQUAL(Owner, first);
    }
    CHECK_EQUAL(KtCompleted, 2 * TURNS);
    CHECK_EQUAL(Overlaps, 0);
    CHECK_TRACE("aAbBcCdD"); /* they took turns */
    for (ULONG n = 0; n < 2 * TURNS; n++)
        IoFreeIrp(irps[n]);
    IoDisconnectInterrupt(Interrupt);
    KtFreeStartIoDevice(first);
    KtFreeStartIoDevice(second);
    IoDeleteController(Controller);
}
