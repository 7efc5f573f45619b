/*
 * The console: the first serial port, a 16550 at 0x3F8. Output is polled, so that it works at any
 * IRQL and from the first instruction on; input raises ISA interrupt 4. Nothing here is locked:
 * whoever prints keeps others from printing meanwhile.
 */
#include "arch.h"

#define PORT(offset)     ((USHORT)(0x3F8 + (offset)))
#define DATA             PORT(0)
#define INTERRUPT_ENABLE PORT(1)
#define FIFO_CONTROL     PORT(2)
#define LINE_CONTROL     PORT(3)
#define MODEM_CONTROL    PORT(4)
#define LINE_STATUS      PORT(5)
#define DIVISOR_LOW      PORT(0) /* while LINE_DIVISOR is set */
#define DIVISOR_HIGH     PORT(1)

#define RECEIVED_INTERRUPT 0x01
#define FIFO_ON_AND_EMPTY  0x07 /* interrupt from the first character on */
#define LINE_8N1           0x03
#define LINE_DIVISOR       0x80
#define MODEM_LOOPBACK     0x1E
#define MODEM_ON           0x0B /* ready, and OUT2, which connects the interrupt line */
#define STATUS_RECEIVED    0x01
#define STATUS_FIFO_EMPTY  0x20

#define FIFO_LENGTH    16
#define DIVISOR_115200 1
#define TEST_CHARACTER 0xAE

/* Polls of the status port, of about a microsecond each: several seconds. */
#define READY_POLLS 4000000u

static BOOLEAN Present;
static BOOLEAN Stuck; /* the last wait for the transmitter was in vain */

/* A port that nobody answers reads as 0xFF; a 16550 hears itself in loopback mode. */
static BOOLEAN HearsItself(VOID)
{
    ArchOut8(MODEM_CONTROL, MODEM_LOOPBACK);
    ArchOut8(DATA, TEST_CHARACTER);
    for (ULONG i = 0; i < 1000; i++) {
        if (ArchIn8(LINE_STATUS) == 0xFF)
            return FALSE;
        if (ArchIn8(LINE_STATUS) & STATUS_RECEIVED)
            return ArchIn8(DATA) == TEST_CHARACTER;
    }
    return FALSE;
}

/*
 * Sets the port to 115,200 bits a second, if there is one. Without one, output goes nowhere.
 *
 * IRQL:    any
 * Locks:   none
 * Context: once, before anything is printed
 * Returns: nothing
 * Source:  National Semiconductor PC16550D data sheet
 */
VOID ArchConsoleInitialize(VOID)
{
    ArchOut8(INTERRUPT_ENABLE, 0);
    ArchOut8(LINE_CONTROL, LINE_DIVISOR);
    ArchOut8(DIVISOR_LOW, DIVISOR_115200);
    ArchOut8(DIVISOR_HIGH, 0);
    ArchOut8(LINE_CONTROL, LINE_8N1);
    ArchOut8(FIFO_CONTROL, FIFO_ON_AND_EMPTY);
    Present = HearsItself();
    ArchOut8(FIFO_CONTROL, FIFO_ON_AND_EMPTY);
    ArchOut8(MODEM_CONTROL, MODEM_ON);
}

/*
 * Waits until the transmitter can take FIFO_LENGTH characters. A transmitter that did not get
 * ready once is asked only once from then on, until it is: a dead line costs one long wait.
 */
static BOOLEAN WaitForTransmitter(VOID)
{
    ULONG polls = Stuck ? 1 : READY_POLLS;

    for (ULONG i = 0; i < polls; i++) {
        if (ArchIn8(LINE_STATUS) & STATUS_FIFO_EMPTY) {
            Stuck = FALSE;
            return TRUE;
        }
        ArchPause();
    }
    Stuck = TRUE;
    return FALSE;
}

/*
 * Prints Length characters; a line end becomes carriage return and line feed. Characters that
 * the line does not take for several seconds are lost.
 *
 * IRQL:    any
 * Locks:   none; the caller's
 * Context: any
 * Returns: nothing
 */
VOID ArchConsoleWrite(PCSTR Text, SIZE_T Length)
{
    ULONG room = 0;
    BOOLEAN returned = FALSE; /* the carriage return of the line end at i has been sent */

    if (!Present)
        return;
    for (SIZE_T i = 0; i < Length;) {
        CHAR character = Text[i];

        if (room == 0)
            room = WaitForTransmitter() ? FIFO_LENGTH : 0;
        if (character == '\n' && !returned) {
            character = '\r';
            returned = TRUE;
        } else {
            returned = FALSE;
            i++;
        }
        if (room == 0)
            continue;
        ArchOut8(DATA, (UCHAR)character);
        room--;
    }
}

/*
 * From now on the line of CONSOLE_ISA_INTERRUPT is raised for every character received.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: nothing
 */
VOID ArchConsoleEnableInput(VOID)
{
    if (Present)
        ArchOut8(INTERRUPT_ENABLE, RECEIVED_INTERRUPT);
}

/*
 * Takes the next character received. The line falls when the last one has been taken, and only
 * then can it rise again: a handler reads until there is none.
 *
 * IRQL:    any
 * Locks:   none
 * Context: any
 * Returns: the character, or -1 when there is none
 */
LONG ArchConsoleRead(VOID)
{
    if (!Present || !(ArchIn8(LINE_STATUS) & STATUS_RECEIVED))
        return -1;
    return ArchIn8(DATA);
}
