/* A microphone without hardware: an ALSA ioplug that captures from "the air", a file shared with the test.
 *
 * It behaves like a sound card with one fixed rate, channel count and format. The air is a control page and then
 * sound, int32 [n_frames][n_channels], repeated for ever; sound frame i is at the microphone at
 * sound_start_ns + i / rate on CLOCK_MONOTONIC. A stream that starts at time t captures from the sound frame
 * nearest to t onwards, so what a program heard can be compared with the truth sample by sample, and its time
 * stamps with the true times. Faults (unplugged, stalled, busy, overrun, wedged, hung) are switched in the page while
 * it runs. A stalled stream goes on by itself when the fault is over, a hung one never does: only the next one gives
 * sound. Wedged is a card that was pulled out during an overrun: recovering from the overrun fails for ever.
 *
 * gcc -shared -fPIC -O2 -DPIC virtual_microphone.c -lasound -o libasound_module_pcm_au_edge_air.so
 */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define NS_PER_S 1000000000LL
#define FAULT_LOOK_NS 20000000LL /* how often a stalled stream looks whether the fault is over */

enum fault { FAULT_NONE, FAULT_UNPLUGGED, FAULT_STALLED, FAULT_BUSY, FAULT_OVERRUN, FAULT_WEDGED, FAULT_HUNG };

/* The same layout is in air.py. */
struct air_page {
    char magic[8];
    uint32_t fault;              /* in; the plug-in clears FAULT_OVERRUN once it has happened */
    uint32_t n_channels;         /* in */
    int64_t sound_start_ns;      /* in */
    uint64_t n_frames;           /* in; 0 = silence */
    int64_t clock_error_ppm;     /* in: how much faster than nominal the device's clock runs */
    uint64_t n_opens;            /* out */
    uint64_t n_starts;           /* out */
    uint64_t n_overruns;         /* out */
    int64_t stream_start_ns;     /* out: time of the present stream's first sample */
    int64_t stream_first_index;  /* out: its index in the sound, negative before the sound began */
    uint64_t n_captured;         /* out: samples since the present stream's start */
};

struct microphone {
    snd_pcm_ioplug_t plug;
    volatile struct air_page *page;
    const int32_t *sound;
    size_t map_bytes;
    int timer;
    int is_running;
    int is_stalled;
    int is_hung;
    int64_t look_ns;
    int64_t start_ns;
    int64_t stalled_at;
    int64_t first_index;
    int64_t error_ppm;
    snd_pcm_sframes_t last_position;
    snd_pcm_uframes_t wake_frames;
};

static int64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t frames_in(const struct microphone *mic, int64_t ns)
{
    return (int64_t)((__int128)ns * mic->plug.rate * (1000000 + mic->error_ppm) / (NS_PER_S * 1000000));
}

static int64_t ns_of(const struct microphone *mic, int64_t frames)
{
    __int128 per_second = (__int128)mic->plug.rate * (1000000 + mic->error_ppm);
    return (int64_t)(((__int128)frames * NS_PER_S * 1000000 + per_second - 1) / per_second);
}

/* How many samples the converter has made; stands still while stalled and goes on from there afterwards. */
static int64_t captured(struct microphone *mic)
{
    int64_t now = monotonic_ns();
    mic->is_hung |= mic->page->fault == FAULT_HUNG;
    if (mic->page->fault == FAULT_STALLED || mic->is_hung) {
        if (!mic->is_stalled) {
            mic->is_stalled = 1;
            mic->stalled_at = frames_in(mic, now - mic->start_ns);
        }
        return mic->stalled_at;
    }
    if (mic->is_stalled) {
        mic->is_stalled = 0;
        /* It hears what sounds now: the start moves on by the length of the stall, in whole samples. */
        int64_t late_ns = now - ns_of(mic, mic->stalled_at) - mic->start_ns;
        int64_t late_frames = late_ns * mic->plug.rate / NS_PER_S;
        mic->first_index += late_frames;
        mic->start_ns += ns_of(mic, late_frames);
    }
    return frames_in(mic, now - mic->start_ns);
}

static int is_gone(const struct microphone *mic)
{
    return mic->page->fault == FAULT_UNPLUGGED || mic->page->fault == FAULT_WEDGED;
}

static int mic_start(snd_pcm_ioplug_t *plug)
{
    struct microphone *mic = plug->private_data;
    volatile struct air_page *page = mic->page;
    if (is_gone(mic))
        return -ENODEV;
    mic->error_ppm = page->clock_error_ppm;
    mic->is_hung = page->fault == FAULT_HUNG;
    mic->is_stalled = page->fault == FAULT_STALLED || mic->is_hung; /* from its first sample on */
    mic->stalled_at = 0;
    mic->start_ns = monotonic_ns();
    /* To the nearest whole sample, and the start moved onto it: the stream's samples are the sound's own. */
    int64_t since = mic->start_ns - page->sound_start_ns;
    __int128 doubled = (__int128)since * plug->rate * 2 + (since >= 0 ? NS_PER_S : -NS_PER_S);
    mic->first_index = (int64_t)(doubled / (2 * NS_PER_S));
    mic->start_ns = page->sound_start_ns + (int64_t)((__int128)mic->first_index * NS_PER_S / plug->rate);
    mic->is_running = 1;
    page->stream_start_ns = mic->start_ns;
    page->stream_first_index = mic->first_index;
    page->n_starts++;
    return 0;
}

static int mic_stop(snd_pcm_ioplug_t *plug)
{
    struct microphone *mic = plug->private_data;
    mic->is_running = 0;
    return 0;
}

static int mic_prepare(snd_pcm_ioplug_t *plug)
{
    struct microphone *mic = plug->private_data;
    mic->is_running = 0;
    return is_gone(mic) ? -ENODEV : 0;
}

static int mic_sw_params(snd_pcm_ioplug_t *plug, snd_pcm_sw_params_t *params)
{
    struct microphone *mic = plug->private_data;
    return snd_pcm_sw_params_get_avail_min(params, &mic->wake_frames);
}

static snd_pcm_sframes_t mic_pointer(snd_pcm_ioplug_t *plug)
{
    struct microphone *mic = plug->private_data;
    if (mic->page->fault == FAULT_UNPLUGGED) {
        /* As the kernel does it: the state says so, the position stays. An error here would be taken for an overrun. */
        snd_pcm_ioplug_set_state(plug, SND_PCM_STATE_DISCONNECTED);
        return mic->last_position;
    }
    if (mic->page->fault == FAULT_WEDGED)
        return -EPIPE;
    if (!mic->is_running)
        return mic->last_position = 0;
    int64_t n = captured(mic);
    mic->page->n_captured = (uint64_t)n;
    if (mic->page->fault == FAULT_OVERRUN) {
        mic->page->fault = FAULT_NONE;
        mic->page->n_overruns++;
        return -EPIPE;
    }
    if (n - (int64_t)plug->appl_ptr > (int64_t)plug->buffer_size) {
        mic->page->n_overruns++;
        return -EPIPE;
    }
    return mic->last_position = n % (int64_t)plug->buffer_size;
}

static void write_sample(char *to, snd_pcm_format_t format, int32_t value)
{
    uint32_t bits = (uint32_t)value;
    switch (format) {
    case SND_PCM_FORMAT_S32_LE: to[3] = bits >> 24; to[2] = bits >> 16; to[1] = bits >> 8; to[0] = bits; break;
    case SND_PCM_FORMAT_S24_3LE: to[2] = bits >> 24; to[1] = bits >> 16; to[0] = bits >> 8; break;
    default: to[1] = bits >> 24; to[0] = bits >> 16; break;
    }
}

static snd_pcm_sframes_t mic_transfer(snd_pcm_ioplug_t *plug, const snd_pcm_channel_area_t *areas,
                                      snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
    struct microphone *mic = plug->private_data;
    volatile struct air_page *page = mic->page;
    if (page->fault == FAULT_UNPLUGGED)
        return -ENODEV;
    int64_t first = (int64_t)plug->appl_ptr;
    if (plug->access == SND_PCM_ACCESS_MMAP_INTERLEAVED) {
        /* The offset is one into the ring: it tells how far beyond the application's position this is. */
        snd_pcm_uframes_t ring = plug->buffer_size;
        first += (int64_t)((offset + ring - plug->appl_ptr % ring) % ring);
    }
    for (unsigned channel = 0; channel < plug->channels; channel++) {
        const snd_pcm_channel_area_t *area = &areas[channel];
        char *to = (char *)area->addr + (area->first + area->step * offset) / 8;
        for (snd_pcm_uframes_t k = 0; k < size; k++, to += area->step / 8) {
            int64_t index = mic->first_index + first + (int64_t)k;
            int is_sound = page->n_frames && index >= 0 && channel < page->n_channels;
            int32_t value = 0;
            if (is_sound)
                value = mic->sound[(uint64_t)index % page->n_frames * page->n_channels + channel];
            write_sample(to, plug->format, value);
        }
    }
    return (snd_pcm_sframes_t)size;
}

static int mic_delay(snd_pcm_ioplug_t *plug, snd_pcm_sframes_t *delay)
{
    struct microphone *mic = plug->private_data;
    if (mic->page->fault == FAULT_UNPLUGGED)
        return -ENODEV;
    *delay = mic->is_running ? (snd_pcm_sframes_t)(captured(mic) - (int64_t)plug->appl_ptr) : 0;
    return 0;
}

static int mic_poll_descriptors(snd_pcm_ioplug_t *plug, struct pollfd *descriptors, unsigned int space)
{
    struct microphone *mic = plug->private_data;
    if (space < 1)
        return -EINVAL;
    int64_t wake_frames = mic->wake_frames ? (int64_t)mic->wake_frames : (int64_t)plug->period_size;
    /* Whoever polls for less than this must not put the look off each time. */
    if (!mic->look_ns)
        mic->look_ns = monotonic_ns() + FAULT_LOOK_NS;
    int64_t wake_ns = mic->look_ns;
    if (mic->page->fault == FAULT_UNPLUGGED)
        wake_ns = 1; /* at once: nothing to wait for, as with a card that was pulled out */
    else if (mic->is_running && mic->page->fault != FAULT_STALLED && mic->page->fault != FAULT_HUNG && !mic->is_stalled)
        wake_ns = mic->start_ns + ns_of(mic, (int64_t)plug->appl_ptr + wake_frames);
    struct itimerspec alarm = {.it_value = {.tv_sec = wake_ns / NS_PER_S, .tv_nsec = wake_ns % NS_PER_S}};
    timerfd_settime(mic->timer, TFD_TIMER_ABSTIME, &alarm, NULL);
    descriptors[0] = (struct pollfd){.fd = mic->timer, .events = POLLIN};
    return 1;
}

static int mic_poll_descriptors_count(snd_pcm_ioplug_t *plug)
{
    (void)plug;
    return 1;
}

static int mic_poll_revents(snd_pcm_ioplug_t *plug, struct pollfd *descriptors, unsigned int n, unsigned short *events)
{
    struct microphone *mic = plug->private_data;
    uint64_t n_alarms;
    *events = 0;
    if (!n || !(descriptors[0].revents & POLLIN))
        return 0;
    if (read(mic->timer, &n_alarms, sizeof n_alarms) < 0 && errno != EAGAIN)
        return -errno;
    mic->look_ns = 0;
    if (mic->page->fault == FAULT_UNPLUGGED) {
        *events = POLLERR | POLLHUP;
        return 0;
    }
    int64_t wake_frames = mic->wake_frames ? (int64_t)mic->wake_frames : 1;
    if (mic->is_running && captured(mic) - (int64_t)plug->appl_ptr >= wake_frames)
        *events = POLLIN;
    return 0;
}

static int mic_close(snd_pcm_ioplug_t *plug)
{
    struct microphone *mic = plug->private_data;
    close(mic->timer);
    munmap((void *)mic->page, mic->map_bytes);
    free(mic);
    return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
    .start = mic_start,
    .stop = mic_stop,
    .pointer = mic_pointer,
    .transfer = mic_transfer,
    .close = mic_close,
    .sw_params = mic_sw_params,
    .prepare = mic_prepare,
    .delay = mic_delay,
    .poll_descriptors_count = mic_poll_descriptors_count,
    .poll_descriptors = mic_poll_descriptors,
    .poll_revents = mic_poll_revents,
};

static int offer(snd_pcm_ioplug_t *plug, unsigned int rate, unsigned int channels, unsigned int format)
{
    static const unsigned int accesses[] = {SND_PCM_ACCESS_MMAP_INTERLEAVED, SND_PCM_ACCESS_RW_INTERLEAVED};
    unsigned int frame_bytes = (unsigned int)snd_pcm_format_physical_width((snd_pcm_format_t)format) / 8 * channels;
    int err = snd_pcm_ioplug_set_param_list(plug, SND_PCM_IOPLUG_HW_ACCESS, 2, accesses);
    if (err >= 0)
        err = snd_pcm_ioplug_set_param_list(plug, SND_PCM_IOPLUG_HW_FORMAT, 1, &format);
    if (err >= 0)
        err = snd_pcm_ioplug_set_param_minmax(plug, SND_PCM_IOPLUG_HW_CHANNELS, channels, channels);
    if (err >= 0)
        err = snd_pcm_ioplug_set_param_minmax(plug, SND_PCM_IOPLUG_HW_RATE, rate, rate);
    if (err >= 0)
        err = snd_pcm_ioplug_set_param_minmax(plug, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 32 * frame_bytes, 8192 * frame_bytes);
    if (err >= 0)
        err = snd_pcm_ioplug_set_param_minmax(plug, SND_PCM_IOPLUG_HW_PERIODS, 2, 128);
    if (err >= 0)
        err = snd_pcm_ioplug_set_param_minmax(plug, SND_PCM_IOPLUG_HW_BUFFER_BYTES, 64 * frame_bytes,
                                              65536 * frame_bytes);
    return err;
}

static int open_air(const char *path, struct microphone *mic)
{
    struct stat status;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return -errno;
    if (fstat(file, &status) < 0 || status.st_size < PAGE_BYTES) {
        close(file);
        return -EINVAL;
    }
    mic->map_bytes = (size_t)status.st_size;
    void *map = mmap(NULL, mic->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (map == MAP_FAILED)
        return -errno;
    mic->page = map;
    mic->sound = (const int32_t *)((const char *)map + PAGE_BYTES);
    switch (mic->page->fault) {
    case FAULT_UNPLUGGED:
    case FAULT_WEDGED: return -ENODEV;
    case FAULT_BUSY: return -EBUSY;
    default: return 0;
    }
}

SND_PCM_PLUGIN_DEFINE_FUNC(au_edge_air)
{
    snd_config_iterator_t at, next;
    const char *path = NULL, *format_name = "S16_LE";
    long rate = 48000, channels = 1;
    (void)root;
    snd_config_for_each(at, next, conf) {
        snd_config_t *entry = snd_config_iterator_entry(at);
        const char *key;
        if (snd_config_get_id(entry, &key) < 0)
            continue;
        if (!strcmp(key, "air"))
            snd_config_get_string(entry, &path);
        else if (!strcmp(key, "format"))
            snd_config_get_string(entry, &format_name);
        else if (!strcmp(key, "rate"))
            snd_config_get_integer(entry, &rate);
        else if (!strcmp(key, "channels"))
            snd_config_get_integer(entry, &channels);
        else if (strcmp(key, "type") && strcmp(key, "comment") && strcmp(key, "hint"))
            return -EINVAL;
    }
    snd_pcm_format_t format = snd_pcm_format_value(format_name);
    if (!path || stream != SND_PCM_STREAM_CAPTURE || format == SND_PCM_FORMAT_UNKNOWN)
        return -EINVAL;

    struct microphone *mic = calloc(1, sizeof *mic);
    if (!mic)
        return -ENOMEM;
    int err = open_air(path, mic);
    if (err < 0)
        goto fail;
    mic->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (mic->timer < 0) {
        err = -errno;
        goto fail;
    }
    mic->page->n_opens++;
    mic->plug.version = SND_PCM_IOPLUG_VERSION;
    mic->plug.name = "virtual microphone of the au-edge tests";
    mic->plug.flags = SND_PCM_IOPLUG_FLAG_MONOTONIC;
    mic->plug.callback = &callbacks;
    mic->plug.private_data = mic;
    mic->plug.poll_fd = mic->timer;
    mic->plug.poll_events = POLLIN;
    err = snd_pcm_ioplug_create(&mic->plug, name, stream, mode);
    if (err < 0) {
        close(mic->timer);
        goto fail;
    }
    err = offer(&mic->plug, (unsigned int)rate, (unsigned int)channels, (unsigned int)format);
    if (err < 0) {
        snd_pcm_ioplug_delete(&mic->plug);
        return err;
    }
    *pcmp = mic->plug.pcm;
    return 0;

fail:
    if (mic->page)
        munmap((void *)mic->page, mic->map_bytes);
    free(mic);
    return err;
}
SND_PCM_PLUGIN_SYMBOL(au_edge_air);
