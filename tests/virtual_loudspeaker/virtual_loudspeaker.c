/* A loudspeaker without hardware: an ALSA ioplug that plays into "the audience", a file shared with the test.
 *
 * It behaves like a sound card with one fixed rate, channel count and format. The audience is a control page, a table
 * of runs, and the sound: int32 [capacity][n_channels], a ring. A run is a stretch played without a pause: its sample k
 * is sound frame first_frame + k and leaves the converter at start_ns + k / (rate * (1 + clock_error_ppm / 1e6)) on
 * CLOCK_MONOTONIC, for every k < n_played. What was written and never played belongs to no run. Faults are switched in
 * the page while it runs: unplugged, stalled (it goes on by itself afterwards), hung (only the next opening plays),
 * busy, underrun (once). With granule_frames the position moves in steps, as that of a card does that fetches blocks.
 *
 * gcc -shared -fPIC -O2 -DPIC virtual_loudspeaker.c -lasound -o libasound_module_pcm_au_edge_audience.so
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
#define MAX_RUNS 2048
#define NS_PER_S 1000000000LL
#define FAULT_LOOK_NS 20000000LL /* how often a stalled stream looks whether the fault is over */

enum fault { FAULT_NONE, FAULT_UNPLUGGED, FAULT_STALLED, FAULT_BUSY, FAULT_UNDERRUN, FAULT_HUNG };

/* The same layouts are in audience.py. */
struct page {
    char magic[8];
    uint32_t fault;          /* in; the plug-in clears FAULT_UNDERRUN once it has happened */
    uint32_t n_channels;     /* in */
    int64_t clock_error_ppm; /* in: how much faster than nominal the device's clock runs, from the next start on */
    uint64_t granule_frames; /* in */
    uint64_t n_opens;        /* out */
    uint64_t n_starts;       /* out */
    uint64_t n_underruns;    /* out */
    uint64_t n_runs;         /* out */
    uint64_t n_frames;       /* out: frames written, all openings together */
};

struct run {
    int64_t start_ns;
    uint64_t first_frame;
    uint64_t n_played; /* so far */
    int64_t clock_error_ppm;
};

struct loudspeaker {
    snd_pcm_ioplug_t plug;
    volatile struct page *page;
    volatile struct run *runs;
    int32_t *sound;
    uint64_t capacity;
    size_t map_bytes;
    int timer;
    int is_running;
    int is_stalled;
    int is_hung;
    int64_t look_ns;
    int64_t start_ns;      /* of the present run */
    int64_t played_before; /* stream frames that were played before the present run */
    int64_t stalled_at;
    int64_t error_ppm;
    uint64_t first_frame; /* of the stream in the sound */
    snd_pcm_sframes_t last_position;
    snd_pcm_uframes_t wake_frames;
};

static int64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t frames_in(const struct loudspeaker *it, int64_t ns)
{
    return (int64_t)((__int128)ns * it->plug.rate * (1000000 + it->error_ppm) / (NS_PER_S * 1000000));
}

static int64_t ns_of(const struct loudspeaker *it, int64_t frames)
{
    __int128 per_second = (__int128)it->plug.rate * (1000000 + it->error_ppm);
    return (int64_t)(((__int128)frames * NS_PER_S * 1000000 + per_second - 1) / per_second);
}

static volatile struct run *present_run(struct loudspeaker *it)
{
    return &it->runs[(it->page->n_runs - 1) % MAX_RUNS];
}

static void begin_run(struct loudspeaker *it, int64_t now)
{
    it->start_ns = now;
    volatile struct run *run = &it->runs[it->page->n_runs % MAX_RUNS];
    run->start_ns = now;
    run->first_frame = it->first_frame + (uint64_t)it->played_before;
    run->n_played = 0;
    run->clock_error_ppm = it->error_ppm;
    it->page->n_runs++;
}

/* How many samples of the stream the converter has played, as if it had them all; stands still while stalled. */
static int64_t played(struct loudspeaker *it)
{
    int64_t now = monotonic_ns();
    it->is_hung |= it->page->fault == FAULT_HUNG;
    if (it->page->fault == FAULT_STALLED || it->is_hung) {
        if (!it->is_stalled) {
            it->is_stalled = 1;
            it->stalled_at = it->played_before + frames_in(it, now - it->start_ns);
        }
        return it->stalled_at;
    }
    if (it->is_stalled) {
        it->is_stalled = 0;
        it->played_before = it->stalled_at;
        begin_run(it, now);
    }
    return it->played_before + frames_in(it, now - it->start_ns);
}

/* The same, never beyond what was written; it is told to the audience. */
static int64_t heard(struct loudspeaker *it)
{
    int64_t n = played(it), written = (int64_t)it->plug.appl_ptr;
    int64_t in_run = (n < written ? n : written) - it->played_before;
    if (it->is_running && in_run > (int64_t)present_run(it)->n_played)
        present_run(it)->n_played = (uint64_t)in_run;
    return n;
}

static int64_t told(const struct loudspeaker *it, int64_t n)
{
    int64_t granule = (int64_t)it->page->granule_frames;
    return granule > 1 ? n / granule * granule : n;
}

static int ls_start(snd_pcm_ioplug_t *plug)
{
    struct loudspeaker *it = plug->private_data;
    if (it->page->fault == FAULT_UNPLUGGED)
        return -ENODEV;
    it->error_ppm = it->page->clock_error_ppm;
    it->is_hung = it->page->fault == FAULT_HUNG;
    it->is_stalled = it->page->fault == FAULT_STALLED || it->is_hung;
    it->played_before = it->stalled_at = 0;
    begin_run(it, monotonic_ns());
    it->is_running = 1;
    it->page->n_starts++;
    return 0;
}

static int ls_stop(snd_pcm_ioplug_t *plug)
{
    struct loudspeaker *it = plug->private_data;
    if (it->is_running && it->page->fault != FAULT_UNPLUGGED)
        heard(it);
    it->is_running = 0;
    return 0;
}

static int ls_prepare(snd_pcm_ioplug_t *plug)
{
    struct loudspeaker *it = plug->private_data;
    it->is_running = 0;
    it->first_frame = it->page->n_frames;
    it->last_position = 0;
    return it->page->fault == FAULT_UNPLUGGED ? -ENODEV : 0;
}

static int ls_sw_params(snd_pcm_ioplug_t *plug, snd_pcm_sw_params_t *params)
{
    struct loudspeaker *it = plug->private_data;
    return snd_pcm_sw_params_get_avail_min(params, &it->wake_frames);
}

static snd_pcm_sframes_t ls_pointer(snd_pcm_ioplug_t *plug)
{
    struct loudspeaker *it = plug->private_data;
    if (it->page->fault == FAULT_UNPLUGGED) {
        /* As the kernel does it: the state says so, the position stays. */
        snd_pcm_ioplug_set_state(plug, SND_PCM_STATE_DISCONNECTED);
        return it->last_position;
    }
    if (!it->is_running)
        return it->last_position = 0;
    int64_t n = heard(it);
    if (it->page->fault == FAULT_UNDERRUN || n > (int64_t)plug->appl_ptr) {
        if (it->page->fault == FAULT_UNDERRUN)
            it->page->fault = FAULT_NONE;
        it->page->n_underruns++;
        return -EPIPE;
    }
    return it->last_position = told(it, n) % (int64_t)plug->buffer_size;
}

static int32_t read_sample(const char *from, snd_pcm_format_t format)
{
    const unsigned char *b = (const unsigned char *)from;
    switch (format) {
    case SND_PCM_FORMAT_S32_LE: return (int32_t)((uint32_t)b[3] << 24 | b[2] << 16 | b[1] << 8 | b[0]);
    case SND_PCM_FORMAT_S24_3LE: return (int32_t)((uint32_t)b[2] << 24 | b[1] << 16 | b[0] << 8);
    default: return (int32_t)((uint32_t)b[1] << 24 | b[0] << 16);
    }
}

static snd_pcm_sframes_t ls_transfer(snd_pcm_ioplug_t *plug, const snd_pcm_channel_area_t *areas,
                                     snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
    struct loudspeaker *it = plug->private_data;
    if (it->page->fault == FAULT_UNPLUGGED)
        return -ENODEV;
    uint64_t first = it->first_frame + plug->appl_ptr;
    for (unsigned channel = 0; channel < plug->channels; channel++) {
        const snd_pcm_channel_area_t *area = &areas[channel];
        const char *from = (const char *)area->addr + (area->first + area->step * offset) / 8;
        for (snd_pcm_uframes_t k = 0; k < size; k++, from += area->step / 8)
            it->sound[(first + k) % it->capacity * plug->channels + channel] = read_sample(from, plug->format);
    }
    it->page->n_frames = first + size;
    return (snd_pcm_sframes_t)size;
}

static int ls_delay(snd_pcm_ioplug_t *plug, snd_pcm_sframes_t *delay)
{
    struct loudspeaker *it = plug->private_data;
    if (it->page->fault == FAULT_UNPLUGGED)
        return -ENODEV;
    *delay = (snd_pcm_sframes_t)plug->appl_ptr - (it->is_running ? (snd_pcm_sframes_t)told(it, heard(it)) : 0);
    return 0;
}

static int ls_poll_descriptors(snd_pcm_ioplug_t *plug, struct pollfd *descriptors, unsigned int space)
{
    struct loudspeaker *it = plug->private_data;
    if (space < 1)
        return -EINVAL;
    int64_t wake_frames = it->wake_frames ? (int64_t)it->wake_frames : (int64_t)plug->period_size;
    /* Whoever polls for less than this must not put the look off each time. */
    if (!it->look_ns)
        it->look_ns = monotonic_ns() + FAULT_LOOK_NS;
    int64_t wake_ns = it->look_ns;
    uint32_t fault = it->page->fault;
    if (fault == FAULT_UNPLUGGED)
        wake_ns = 1; /* at once: nothing to wait for, as with a card that was pulled out */
    else if (it->is_running && fault != FAULT_STALLED && fault != FAULT_HUNG && !it->is_stalled) {
        int64_t due = (int64_t)plug->appl_ptr + wake_frames - (int64_t)plug->buffer_size - it->played_before;
        wake_ns = it->start_ns + (due > 0 ? ns_of(it, due) : 0);
    }
    if (wake_ns < 1)
        wake_ns = 1;
    struct itimerspec alarm = {.it_value = {.tv_sec = wake_ns / NS_PER_S, .tv_nsec = wake_ns % NS_PER_S}};
    timerfd_settime(it->timer, TFD_TIMER_ABSTIME, &alarm, NULL);
    descriptors[0] = (struct pollfd){.fd = it->timer, .events = POLLIN};
    return 1;
}

static int ls_poll_descriptors_count(snd_pcm_ioplug_t *plug)
{
    (void)plug;
    return 1;
}

static int ls_poll_revents(snd_pcm_ioplug_t *plug, struct pollfd *descriptors, unsigned int n, unsigned short *events)
{
    struct loudspeaker *it = plug->private_data;
    uint64_t n_alarms;
    *events = 0;
    if (!n || !(descriptors[0].revents & POLLIN))
        return 0;
    if (read(it->timer, &n_alarms, sizeof n_alarms) < 0 && errno != EAGAIN)
        return -errno;
    it->look_ns = 0;
    if (it->page->fault == FAULT_UNPLUGGED) {
        *events = POLLERR | POLLHUP;
        return 0;
    }
    int64_t wake_frames = it->wake_frames ? (int64_t)it->wake_frames : 1;
    int64_t room = (int64_t)plug->buffer_size - ((int64_t)plug->appl_ptr - (it->is_running ? heard(it) : 0));
    if (room >= wake_frames)
        *events = POLLOUT;
    return 0;
}

static int ls_close(snd_pcm_ioplug_t *plug)
{
    struct loudspeaker *it = plug->private_data;
    close(it->timer);
    munmap((void *)it->page, it->map_bytes);
    free(it);
    return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
    .start = ls_start,
    .stop = ls_stop,
    .pointer = ls_pointer,
    .transfer = ls_transfer,
    .close = ls_close,
    .sw_params = ls_sw_params,
    .prepare = ls_prepare,
    .delay = ls_delay,
    .poll_descriptors_count = ls_poll_descriptors_count,
    .poll_descriptors = ls_poll_descriptors,
    .poll_revents = ls_poll_revents,
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

static int open_audience(const char *path, struct loudspeaker *it)
{
    struct stat status;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return -errno;
    size_t sound_at = PAGE_BYTES + MAX_RUNS * sizeof(struct run);
    if (fstat(file, &status) < 0 || (size_t)status.st_size <= sound_at) {
        close(file);
        return -EINVAL;
    }
    it->map_bytes = (size_t)status.st_size;
    char *map = mmap(NULL, it->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (map == MAP_FAILED)
        return -errno;
    it->page = (volatile struct page *)map;
    it->runs = (volatile struct run *)(map + PAGE_BYTES);
    it->sound = (int32_t *)(map + sound_at);
    it->capacity = (it->map_bytes - sound_at) / sizeof(int32_t) / it->page->n_channels;
    switch (it->page->fault) {
    case FAULT_UNPLUGGED: return -ENODEV;
    case FAULT_BUSY: return -EBUSY;
    default: return 0;
    }
}

SND_PCM_PLUGIN_DEFINE_FUNC(au_edge_audience)
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
        if (!strcmp(key, "audience"))
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
    if (!path || stream != SND_PCM_STREAM_PLAYBACK || format == SND_PCM_FORMAT_UNKNOWN)
        return -EINVAL;

    struct loudspeaker *it = calloc(1, sizeof *it);
    if (!it)
        return -ENOMEM;
    int err = open_audience(path, it);
    if (err < 0)
        goto fail;
    it->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (it->timer < 0) {
        err = -errno;
        goto fail;
    }
    it->page->n_opens++;
    it->plug.version = SND_PCM_IOPLUG_VERSION;
    it->plug.name = "virtual loudspeaker of the au-edge tests";
    it->plug.flags = SND_PCM_IOPLUG_FLAG_MONOTONIC;
    it->plug.callback = &callbacks;
    it->plug.private_data = it;
    it->plug.poll_fd = it->timer;
    it->plug.poll_events = POLLIN;
    err = snd_pcm_ioplug_create(&it->plug, name, stream, mode);
    if (err < 0) {
        close(it->timer);
        goto fail;
    }
    err = offer(&it->plug, (unsigned int)rate, (unsigned int)channels, (unsigned int)format);
    if (err < 0) {
        snd_pcm_ioplug_delete(&it->plug);
        return err;
    }
    *pcmp = it->plug.pcm;
    return 0;

fail:
    if (it->page)
        munmap((void *)it->page, it->map_bytes);
    free(it);
    return err;
}
SND_PCM_PLUGIN_SYMBOL(au_edge_audience);
