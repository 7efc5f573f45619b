/*
 * The routines by which older drivers pass power requests on. Power requests are requests like
 * any other here: nobody makes one wait for another.
 */
#include "iop.h"

/*
 * Sends a power request down.
 *
 * IRQL:    <= DISPATCH_LEVEL (IofCallDriver)
 * Locks:   none
 * Context: a power dispatch routine
 * Returns: what the driver's dispatch routine returns
 */
NTSTATUS PoCallDriver(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    return IofCallDriver(DeviceObject, Irp);
}

/*
 * Says that the next power request may come: it may anyway.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: a power dispatch routine
 * Returns: nothing
 */
VOID PoStartNextPowerIrp(PIRP Irp)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Irp);
    UNREFERENCED_PARAMETER(Irp);
}
