/*
 * Memory descriptor lists. All memory is resident and mapped for the kernel, so a lock pins
 * nothing and a mapping is the address that the buffer has already: what is left is to look up the
 * page frame numbers, once, for who programs a device. Runs at or below DISPATCH_LEVEL; no locks.
 */
#include "iop.h"

#define TAG_MDL      ((ULONG)' ldM')
#define MAXIMUM_MDL  0x7FFF /* MDL.Size is 16 bits: a buffer of nearly 16 MB */
#define ACCESS_ERROR ((NTSTATUS)0xC0000005)

/*
 * The bytes that an MDL for such a buffer takes.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the size
 */
SIZE_T MmSizeOfMdl(PVOID Base, SIZE_T Length)
{
    return sizeof(MDL) + sizeof(PFN_NUMBER) * ADDRESS_AND_SIZE_TO_SPAN_PAGES(Base, Length);
}

/* The end of Irp's chain of MDLs. */
static PMDL *LastLink(PIRP Irp)
{
    PMDL *link = &Irp->MdlAddress;

    while (*link)
        link = &(*link)->Next;
    return link;
}

/*
 * Makes an MDL for a buffer; its pages are not looked up yet.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the pool's
 * Context: who has the IRP, if there is one
 * Returns: NULL when there is no memory, or for a buffer that is too long
 */
PMDL IoAllocateMdl(PVOID VirtualAddress, ULONG Length, BOOLEAN SecondaryBuffer, BOOLEAN ChargeQuota,
                   PIRP Irp)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Irp);
    UNREFERENCED_PARAMETER(ChargeQuota);

    SIZE_T size = MmSizeOfMdl(VirtualAddress, Length);
    PMDL mdl = size <= MAXIMUM_MDL ? ExAllocatePool2(POOL_FLAG_NON_PAGED, size, TAG_MDL) : NULL;

    if (!mdl)
        return NULL;
    MmInitializeMdl(mdl, VirtualAddress, Length);
    if (Irp && SecondaryBuffer)
        *LastLink(Irp) = mdl;
    else if (Irp)
        Irp->MdlAddress = mdl;
    return mdl;
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   the pool's
 * Context: any
 * Returns: nothing
 */
VOID IoFreeMdl(PMDL Mdl)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlIoDispatch", Mdl);
    ExFreePoolWithTag(Mdl, TAG_MDL);
}

/* Writes the page frame numbers down; FALSE at a page that is not mapped. */
static BOOLEAN LookUpPages(PMDL Mdl)
{
    ULONG pages = ADDRESS_AND_SIZE_TO_SPAN_PAGES(MmGetMdlVirtualAddress(Mdl), Mdl->ByteCount);

    for (ULONG n = 0; n < pages; n++) {
        PVOID page = (PUCHAR)Mdl->StartVa + (SIZE_T)n * PAGE_SIZE;

        if (!ArchIsAddressMapped(page))
            return FALSE;
        MmGetMdlPfnArray(Mdl)[n] = ArchVirtualToPhysical(page) >> PAGE_SHIFT;
    }
    return TRUE;
}

/* A driver would get an exception; nobody here could catch it. */
static VOID RequireMapped(BOOLEAN Mapped, PMDL Mdl)
{
    if (!Mapped)
        KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, (ULONG_PTR)ACCESS_ERROR,
                     (ULONG_PTR)__builtin_return_address(0), 0,
                     (ULONG_PTR)MmGetMdlVirtualAddress(Mdl));
}

/*
 * For a buffer in nonpaged pool or in a device extension: looks its pages up.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID MmBuildMdlForNonPagedPool(PMDL MemoryDescriptorList)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            MemoryDescriptorList);

    RequireMapped(LookUpPages(MemoryDescriptorList), MemoryDescriptorList);
    MemoryDescriptorList->MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
    MemoryDescriptorList->MappedSystemVa = MmGetMdlVirtualAddress(MemoryDescriptorList);
}

/*
 * Looks the pages of a buffer up, wherever it is. Undone by MmUnlockPages.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing; a buffer that is not mapped is bug check 0x1E with an access violation
 */
VOID MmProbeAndLockPages(PMDL MemoryDescriptorList, KPROCESSOR_MODE AccessMode,
                         LOCK_OPERATION Operation)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            MemoryDescriptorList);
    UNREFERENCED_PARAMETER(AccessMode);

    RequireMapped(LookUpPages(MemoryDescriptorList), MemoryDescriptorList);
    MemoryDescriptorList->MdlFlags |= MDL_PAGES_LOCKED;
    if (Operation != IoReadAccess)
        MemoryDescriptorList->MdlFlags |= MDL_WRITE_OPERATION;
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID MmUnlockPages(PMDL MemoryDescriptorList)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            MemoryDescriptorList);
    MemoryDescriptorList->MdlFlags &=
        ~(CSHORT)(MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA | MDL_WRITE_OPERATION);
}

/*
 * An address for the kernel at which the locked pages are. Called by MmGetSystemAddressForMdlSafe.
 *
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: the buffer's own address
 */
PVOID MmMapLockedPagesSpecifyCache(PMDL MemoryDescriptorList, KPROCESSOR_MODE AccessMode,
                                   MEMORY_CACHING_TYPE CacheType, PVOID RequestedAddress,
                                   ULONG BugCheckOnFailure, ULONG Priority)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            MemoryDescriptorList);
    UNREFERENCED_PARAMETER(AccessMode);
    UNREFERENCED_PARAMETER(CacheType);
    UNREFERENCED_PARAMETER(RequestedAddress);
    UNREFERENCED_PARAMETER(BugCheckOnFailure);
    UNREFERENCED_PARAMETER(Priority);

    MemoryDescriptorList->MappedSystemVa = MmGetMdlVirtualAddress(MemoryDescriptorList);
    MemoryDescriptorList->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA;
    return MemoryDescriptorList->MappedSystemVa;
}

/*
 * IRQL:    <= DISPATCH_LEVEL
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID MmUnmapLockedPages(PVOID BaseAddress, PMDL MemoryDescriptorList)
{
    KI_REQUIRE_IRQL_AT_MOST(DISPATCH_LEVEL, RULE_IRQL_KE_DISPATCH_LTE, "IrqlMmDispatch",
                            MemoryDescriptorList);
    UNREFERENCED_PARAMETER(BaseAddress);
    MemoryDescriptorList->MdlFlags &= ~(CSHORT)MDL_MAPPED_TO_SYSTEM_VA;
}
