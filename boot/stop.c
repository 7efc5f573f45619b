/* How the loader gives up: one sentence on the console, then back to the firmware. */
#include "loader.h"

#define QEMU_EXIT_PORT  0xF4
#define QEMU_EXIT_VALUE 0x13 /* QEMU's status is twice this and 1 */

static EFI_HANDLE LoaderImage;

static void EndQemu(void)
{
    UINT8 value = QEMU_EXIT_VALUE;
    UINT16 port = QEMU_EXIT_PORT;

    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

void StopInitialize(EFI_HANDLE Image)
{
    LoaderImage = Image;
}

void Stop(const CHAR16 *Format, ...)
{
    va_list arguments;

    Print(L"Metronome loader: ");
    va_start(arguments, Format);
    VPrint(Format, arguments);
    va_end(arguments);
    Print(L".\n");
    EndQemu();
    /* What was allocated stays with the firmware until the next start: nobody else needs it. */
    BS->Exit(LoaderImage, EFI_LOAD_ERROR, 0, NULL);
    StopSilently(); /* Exit does not return */
}

void StopSilently(void)
{
    EndQemu();
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
