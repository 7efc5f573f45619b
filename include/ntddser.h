/*
 * Serial ports: the control codes of their drivers and what they carry. All codes are
 * METHOD_BUFFERED; a GET's structure is the output, a SET's the input.
 */
#ifndef METRONOME_NTDDSER_H
#define METRONOME_NTDDSER_H

#include "device.h"
#include "irpcodes.h"

#define SERIAL_CODE(function) \
    CTL_CODE(FILE_DEVICE_SERIAL_PORT, (function), METHOD_BUFFERED, FILE_ANY_ACCESS)

#define IOCTL_SERIAL_SET_BAUD_RATE     SERIAL_CODE(1) /* SERIAL_BAUD_RATE */
#define IOCTL_SERIAL_SET_LINE_CONTROL  SERIAL_CODE(3) /* SERIAL_LINE_CONTROL */
#define IOCTL_SERIAL_SET_TIMEOUTS      SERIAL_CODE(7) /* SERIAL_TIMEOUTS */
#define IOCTL_SERIAL_GET_TIMEOUTS      SERIAL_CODE(8)
#define IOCTL_SERIAL_SET_DTR           SERIAL_CODE(9)
#define IOCTL_SERIAL_CLR_DTR           SERIAL_CODE(10)
#define IOCTL_SERIAL_SET_RTS           SERIAL_CODE(12)
#define IOCTL_SERIAL_CLR_RTS           SERIAL_CODE(13)
#define IOCTL_SERIAL_PURGE             SERIAL_CODE(19) /* ULONG: SERIAL_PURGE_... */
#define IOCTL_SERIAL_GET_BAUD_RATE     SERIAL_CODE(20)
#define IOCTL_SERIAL_GET_LINE_CONTROL  SERIAL_CODE(21)
#define IOCTL_SERIAL_GET_HANDFLOW      SERIAL_CODE(24)
#define IOCTL_SERIAL_SET_HANDFLOW      SERIAL_CODE(25) /* SERIAL_HANDFLOW */
#define IOCTL_SERIAL_GET_MODEMSTATUS   SERIAL_CODE(26) /* ULONG: SERIAL_MSR_... */
#define IOCTL_SERIAL_GET_COMMSTATUS    SERIAL_CODE(27) /* SERIAL_STATUS */
#define IOCTL_SERIAL_GET_STATS         SERIAL_CODE(35) /* SERIALPERF_STATS */
#define IOCTL_SERIAL_CLEAR_STATS       SERIAL_CODE(36)
#define IOCTL_SERIAL_GET_MODEM_CONTROL SERIAL_CODE(37) /* ULONG: SERIAL_IOC_MCR_... */
#define IOCTL_SERIAL_SET_MODEM_CONTROL SERIAL_CODE(38)

typedef struct _SERIAL_BAUD_RATE {
    ULONG BaudRate; /* bits a second */
} SERIAL_BAUD_RATE, *PSERIAL_BAUD_RATE;

typedef struct _SERIAL_LINE_CONTROL {
    UCHAR StopBits;
    UCHAR Parity;
    UCHAR WordLength; /* 5 to 8 */
} SERIAL_LINE_CONTROL, *PSERIAL_LINE_CONTROL;

#define STOP_BIT_1    0
#define STOP_BITS_1_5 1
#define STOP_BITS_2   2

#define NO_PARITY    0
#define ODD_PARITY   1
#define EVEN_PARITY  2
#define MARK_PARITY  3
#define SPACE_PARITY 4

/*
 * In milliseconds; 0: no limit. A read ends when it is full, when Multiplier times its length plus
 * Constant has gone by, or when no character has come for Interval. Interval MAXULONG: it ends with
 * what is there; with Multiplier MAXULONG too, it waits for the first character, up to Constant.
 */
typedef struct _SERIAL_TIMEOUTS {
    ULONG ReadIntervalTimeout;
    ULONG ReadTotalTimeoutMultiplier;
    ULONG ReadTotalTimeoutConstant;
    ULONG WriteTotalTimeoutMultiplier;
    ULONG WriteTotalTimeoutConstant;
} SERIAL_TIMEOUTS, *PSERIAL_TIMEOUTS;

typedef struct _SERIAL_HANDFLOW {
    ULONG ControlHandShake;
    ULONG FlowReplace;
    LONG XonLimit;  /* RTS is raised when no more than this is left in the receive ring */
    LONG XoffLimit; /* RTS is dropped when no more room than this is left */
} SERIAL_HANDFLOW, *PSERIAL_HANDFLOW;

#define SERIAL_CTS_HANDSHAKE 0x00000008 /* of ControlHandShake: send only while CTS is on */
#define SERIAL_RTS_MASK      0x000000C0 /* of FlowReplace */
#define SERIAL_RTS_CONTROL   0x00000040 /* RTS is on, SET_RTS and CLR_RTS change it */
#define SERIAL_RTS_HANDSHAKE 0x00000080 /* RTS says whether there is room */

typedef struct _SERIAL_STATUS {
    ULONG Errors;      /* SERIAL_ERROR_..., since they were asked for last */
    ULONG HoldReasons; /* why nothing is sent */
    ULONG AmountInInQueue;
    ULONG AmountInOutQueue;
    BOOLEAN EofReceived;
    BOOLEAN WaitForImmediate;
} SERIAL_STATUS, *PSERIAL_STATUS;

#define SERIAL_ERROR_BREAK        0x00000001
#define SERIAL_ERROR_FRAMING      0x00000002
#define SERIAL_ERROR_OVERRUN      0x00000004
#define SERIAL_ERROR_QUEUEOVERRUN 0x00000008
#define SERIAL_ERROR_PARITY       0x00000010

#define SERIAL_TX_WAITING_FOR_CTS 0x00000001

typedef struct _SERIALPERF_STATS {
    ULONG ReceivedCount;
    ULONG TransmittedCount;
    ULONG FrameErrorCount;
    ULONG SerialOverrunErrorCount;
    ULONG BufferOverrunErrorCount;
    ULONG ParityErrorCount;
} SERIALPERF_STATS, *PSERIALPERF_STATS;

#define SERIAL_PURGE_TXABORT 0x00000001
#define SERIAL_PURGE_RXABORT 0x00000002
#define SERIAL_PURGE_TXCLEAR 0x00000004
#define SERIAL_PURGE_RXCLEAR 0x00000008

#define SERIAL_MSR_CTS 0x10
#define SERIAL_MSR_DSR 0x20
#define SERIAL_MSR_RI  0x40
#define SERIAL_MSR_DCD 0x80

#define SERIAL_IOC_MCR_DTR  0x00000001
#define SERIAL_IOC_MCR_RTS  0x00000002
#define SERIAL_IOC_MCR_OUT1 0x00000004
#define SERIAL_IOC_MCR_OUT2 0x00000008
#define SERIAL_IOC_MCR_LOOP 0x00000010

#endif
