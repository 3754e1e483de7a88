/* Read au-edge's binary datagrams on a microcontroller. C99, no allocation, no dependencies, any byte order.
 *
 *   struct au_edge_frame frame;
 *   if (au_edge_read(packet, length, &frame)) {
 *       uint16_t jaw = au_edge_activation(&frame, 17);  // 0..65535; the order is the sender's: au-edge model, or "AN"
 *   }
 *
 * Layout (little-endian): 0 "AU", 2 version, 3 state, 4 sequence u32, 8 capture time u64 microseconds of Unix time,
 * 16 number of channels u16, 18 pitch i16, 20 yaw i16, 22 roll i16 (1/100 degree), 24 activations u16 (65535 = 1.0),
 * then CRC-16/CCITT-FALSE of all before it. The whole description is docs/protocols.md.
 */
#ifndef AU_EDGE_FRAME_H
#define AU_EDGE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define AU_EDGE_VERSION 1
#define AU_EDGE_HEADER_BYTES 24u
#define AU_EDGE_CRC_BYTES 2u

enum au_edge_state {
    AU_EDGE_LIVE = 0,     /* speech */
    AU_EDGE_SILENCE = 1,  /* no speech: at rest, or on the way there */
    AU_EDGE_HELD = 2,     /* the sender hears nothing any more and holds the last face */
    AU_EDGE_NEUTRAL = 3,  /* the same for longer: the face has eased to neutral */
    AU_EDGE_STOPPING = 4  /* the sender ends: go to the safe pose */
};

struct au_edge_frame {
    uint8_t state;
    uint32_t sequence;   /* + 1 a frame; a gap is a lost datagram; a smaller one is late: drop it */
    uint64_t capture_us; /* when the sound was at the microphone */
    uint16_t n_channels;
    int16_t pitch_cdeg;  /* up is positive */
    int16_t yaw_cdeg;    /* to the speaker's left is positive */
    int16_t roll_cdeg;   /* to the speaker's right shoulder is positive */
    const uint8_t *activations; /* within the packet: read them with au_edge_activation */
};

static inline uint16_t au_edge_u16(const uint8_t *at) {
    return (uint16_t)(at[0] | (uint16_t)at[1] << 8);
}

static inline uint32_t au_edge_u32(const uint8_t *at) {
    return (uint32_t)au_edge_u16(at) | (uint32_t)au_edge_u16(at + 2) << 16;
}

static inline uint16_t au_edge_crc16(const uint8_t *bytes, size_t n) {
    uint16_t crc = 0xFFFF;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint16_t)((uint16_t)bytes[i] << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

/* Return 1 and fill `frame` where the packet is a whole frame of this version, else 0 and leave `frame` as it is.
 * `frame->activations` points into the packet. */
static inline int au_edge_read(const uint8_t *packet, size_t length, struct au_edge_frame *frame) {
    if (length < AU_EDGE_HEADER_BYTES + AU_EDGE_CRC_BYTES || packet[0] != 'A' || packet[1] != 'U' ||
        packet[2] != AU_EDGE_VERSION) {
        return 0;
    }
    uint16_t n_channels = au_edge_u16(packet + 16);
    if (length != AU_EDGE_HEADER_BYTES + 2u * n_channels + AU_EDGE_CRC_BYTES ||
        au_edge_u16(packet + length - AU_EDGE_CRC_BYTES) != au_edge_crc16(packet, length - AU_EDGE_CRC_BYTES)) {
        return 0;
    }
    frame->state = packet[3];
    frame->sequence = au_edge_u32(packet + 4);
    frame->capture_us = (uint64_t)au_edge_u32(packet + 8) | (uint64_t)au_edge_u32(packet + 12) << 32;
    frame->n_channels = n_channels;
    frame->pitch_cdeg = (int16_t)au_edge_u16(packet + 18);
    frame->yaw_cdeg = (int16_t)au_edge_u16(packet + 20);
    frame->roll_cdeg = (int16_t)au_edge_u16(packet + 22);
    frame->activations = packet + AU_EDGE_HEADER_BYTES;
    return 1;
}

/* Return an activation, 0 to 65535, or 0 for a channel that the frame does not have. */
static inline uint16_t au_edge_activation(const struct au_edge_frame *frame, uint16_t channel) {
    return channel < frame->n_channels ? au_edge_u16(frame->activations + 2u * channel) : 0;
}

#endif
