/* What the loader asks the firmware for on the kernel's behalf, but for the memory map. */
#include "loader.h"

#include "fwtime.h"

#define START_PAGE_LIMIT 0x9F000 /* above it firmware keeps its own data */

void *AllocateLoaderPages(UINT64 Pages, UINT64 Limit, const char *Purpose)
{
    EFI_PHYSICAL_ADDRESS address = Limit - 1;
    EFI_ALLOCATE_TYPE type = Limit == 0 ? AllocateAnyPages : AllocateMaxAddress;
    EFI_STATUS status = BS->AllocatePages(type, EfiLoaderData, Pages, &address);

    if (EFI_ERROR(status)) {
        Stop(L"there is not enough memory for %a: %ld KiB are needed", Purpose, Pages * 4);
    }
    return (void *)address;
}

void GatherAcpi(BOOT_INFO *Info)
{
    static EFI_GUID first = ACPI_TABLE_GUID, second = ACPI_20_TABLE_GUID;

    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++) {
        EFI_CONFIGURATION_TABLE *table = &ST->ConfigurationTable[i];
        UINT64 revision = 0;

        if (CompareGuid(&table->VendorGuid, &second) == 0) {
            revision = 2;
        } else if (CompareGuid(&table->VendorGuid, &first) == 0) {
            revision = 1;
        }
        if (revision > Info->AcpiRevision) {
            Info->AcpiRevision = revision;
            Info->AcpiRootPointer = (UINT64)table->VendorTable;
        }
    }
}

void GatherFramebuffer(BOOT_INFO *Info)
{
    EFI_GRAPHICS_OUTPUT_PROTOCOL *graphics;
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode;
    EFI_STATUS status = BS->LocateProtocol(&GraphicsOutputProtocol, NULL, (void **)&graphics);

    if (EFI_ERROR(status) || graphics->Mode == NULL || graphics->Mode->Info == NULL) {
        return;
    }
    mode = graphics->Mode->Info;
    if (mode->PixelFormat != PixelRedGreenBlueReserved8BitPerColor &&
        mode->PixelFormat != PixelBlueGreenRedReserved8BitPerColor) {
        return;
    }
    Info->Framebuffer.Base = graphics->Mode->FrameBufferBase;
    Info->Framebuffer.Width = mode->HorizontalResolution;
    Info->Framebuffer.Height = mode->VerticalResolution;
    Info->Framebuffer.PixelsPerScanLine = mode->PixelsPerScanLine;
    Info->Framebuffer.BlueFirst = mode->PixelFormat == PixelBlueGreenRedReserved8BitPerColor;
}

void GatherProcessorStartPage(BOOT_INFO *Info)
{
    EFI_PHYSICAL_ADDRESS address;

    /* The second round is for firmware that gives page 0 first: it stays allocated, unused. */
    for (int i = 0; i < 2 && Info->ProcessorStartPage == 0; i++) {
        address = START_PAGE_LIMIT - 1;
        if (EFI_ERROR(BS->AllocatePages(AllocateMaxAddress, EfiLoaderData, 1, &address))) {
            return;
        }
        Info->ProcessorStartPage = address;
    }
}

void GatherTime(BOOT_INFO *Info)
{
    EFI_TIME now;
    FIRMWARE_TIME time;

    if (EFI_ERROR(RT->GetTime(&now, NULL))) {
        return;
    }
    Info->FirmwareCounter = __builtin_ia32_rdtsc();
    time.Year = now.Year;
    time.Month = now.Month;
    time.Day = now.Day;
    time.Hour = now.Hour;
    time.Minute = now.Minute;
    time.Second = now.Second;
    time.Nanosecond = now.Nanosecond;
    time.TimeZone = now.TimeZone;
    Info->FirmwareTime = FirmwareTimeToCount(&time);
}
