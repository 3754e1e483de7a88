/* Prints the frame that comes on standard input, as a microcontroller would read it. */
#include <stdio.h>

#include "au_edge_frame.h"

int main(void) {
    static uint8_t packet[2048];
    struct au_edge_frame frame;
    size_t length = fread(packet, 1, sizeof packet, stdin);
    if (!au_edge_read(packet, length, &frame)) {
        puts("refused");
        return 1;
    }
    printf("%u %lu %llu %d %d %d", frame.state, (unsigned long)frame.sequence, (unsigned long long)frame.capture_us,
           frame.pitch_cdeg, frame.yaw_cdeg, frame.roll_cdeg);
    for (uint16_t channel = 0; channel < frame.n_channels; channel++) {
        printf(" %u", au_edge_activation(&frame, channel));
    }
    putchar('\n');
    return 0;
}
