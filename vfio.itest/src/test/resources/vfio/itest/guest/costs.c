/*
 * What registers and DMA maps of a device cost.
 *
 *   costs GROUP ADDRESS SOCKET OFFSET MEGABYTES
 *
 * First with /dev/vfio and nothing in between, then with a socket of the runtime: reads 4 bytes at OFFSET of BAR0, mapped and
 * through the device's file or by messages; maps MEGABYTES of memory for DMA in pieces of 2 MiB and unmaps them. Prints a line
 * "WAY WHAT NANOSECONDS" for each, the best of some passes. The runtime must have nobody at the device when this starts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAPPED_READS = 20000, OTHER_READS = 2000, PASSES = 5, LARGEST = 4096 };
enum { COMMAND = 4, COMMAND_MEMORY = 2, COMMAND_MASTER = 4 };
enum { VERSION = 1, DMA_MAP, DMA_UNMAP, DEVICE_GET_INFO, DEVICE_GET_REGION_INFO, REGION_READ = 9, REGION_WRITE };
enum { MESSAGE_TYPE = 0xf, MESSAGE_REPLY = 1, MESSAGE_ERROR = 1 << 5, MESSAGE_READ = 1, MESSAGE_WRITE = 2 };

#define PIECE (UINT64_C(2) << 20)
/* Above 4 GiB there is no window of MSI. */
#define IOVA (UINT64_C(1) << 32)

struct header {
	uint16_t id, command;
	uint32_t size, flags, error;
};

struct access {
	uint64_t offset;
	uint32_t region, count, data;
} __attribute__((packed));

struct dma_map {
	uint32_t argsz, flags;
	uint64_t offset, address, size;
};

struct dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, size;
};

/* The two ways to a device. */
struct way {
	const char *name;
	void (*region_info)(struct vfio_region_info *info);
	uint32_t (*read)(uint32_t region, uint64_t offset);
	void (*command)(uint16_t value);
	void (*map)(uint64_t iova, int memory, void *at, uint64_t offset);
	void (*unmap)(uint64_t iova);
};

/* The kernel's file of the device, in both ways. */
static int device = -1;

static int container, group, connection;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void require(const char *what, int held)
{
	if (!held) {
		fprintf(stderr, "costs: %s\n", what);
		exit(1);
	}
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void control(int fd, unsigned long request, void *argument, const char *what)
{
	if (ioctl(fd, request, argument) < 0)
		fail(what);
}

static int file(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		fail(path);
	return fd;
}

/* ---- the kernel ---- */

static struct vfio_region_info bar, config;

static void kernel_region_info(struct vfio_region_info *info)
{
	control(device, VFIO_DEVICE_GET_REGION_INFO, info, "VFIO_DEVICE_GET_REGION_INFO");
}

static void kernel_open(const char *number, const char *address)
{
	char path[64];

	snprintf(path, sizeof path, "/dev/vfio/%s", number);
	container = file("/dev/vfio/vfio");
	group = file(path);
	control(group, VFIO_GROUP_SET_CONTAINER, &container, "VFIO_GROUP_SET_CONTAINER");
	control(container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU, "VFIO_SET_IOMMU");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (device < 0)
		fail("VFIO_GROUP_GET_DEVICE_FD");
	bar.argsz = config.argsz = sizeof bar;
	config.index = VFIO_PCI_CONFIG_REGION_INDEX;
	kernel_region_info(&bar);
	kernel_region_info(&config);
}

static void kernel_close(void)
{
	close(device);
	close(group);
	close(container);
	device = -1;
}

static uint32_t kernel_read(uint32_t region, uint64_t offset)
{
	uint32_t value;

	(void)region;
	if (pread(device, &value, sizeof value, bar.offset + offset) != sizeof value)
		fail("pread");
	return value;
}

static void kernel_command(uint16_t value)
{
	if (pwrite(device, &value, sizeof value, config.offset + COMMAND) != sizeof value)
		fail("pwrite");
}

static void kernel_map(uint64_t iova, int memory, void *at, uint64_t offset)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof map,
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)at + offset,
		.iova = iova,
		.size = PIECE,
	};

	(void)memory;
	control(container, VFIO_IOMMU_MAP_DMA, &map, "VFIO_IOMMU_MAP_DMA");
}

static void kernel_unmap(uint64_t iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof unmap, .iova = iova, .size = PIECE };

	control(container, VFIO_IOMMU_UNMAP_DMA, &unmap, "VFIO_IOMMU_UNMAP_DMA");
}

/* ---- the runtime ---- */

/* Sends a message, with a descriptor if it is not negative, and takes the reply; keeps a descriptor that came with it. */
static void exchange(uint16_t command, const void *body, size_t size, int descriptor, void *reply, size_t room)
{
	static uint16_t id;
	struct header header = { ++id, command, sizeof header + size, 0, 0 };
	struct iovec parts[] = { { &header, sizeof header }, { (void *)body, size } };
	char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	struct cmsghdr *with;
	size_t got;

	if (descriptor >= 0) {
		message.msg_control = space;
		message.msg_controllen = sizeof space;
		with = CMSG_FIRSTHDR(&message);
		with->cmsg_level = SOL_SOCKET;
		with->cmsg_type = SCM_RIGHTS;
		with->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(with), &descriptor, sizeof descriptor);
	}
	if (sendmsg(connection, &message, 0) != (ssize_t)header.size)
		fail("sendmsg");

	parts[1] = (struct iovec){ reply, room };
	message.msg_control = space;
	message.msg_controllen = sizeof space;
	got = recvmsg(connection, &message, 0);
	require("the runtime has ended the connection", got >= sizeof header && got <= sizeof header + room);
	while (got < header.size) {
		ssize_t more = read(connection, (char *)reply + (got - sizeof header), header.size - got);

		require("a reply is cut off", more > 0 && header.size <= sizeof header + room);
		got += more;
	}
	if (header.flags & MESSAGE_ERROR)
		fprintf(stderr, "costs: command %u failed with errno %u\n", command, header.error);
	require("a message was not answered", (header.flags & (MESSAGE_TYPE | MESSAGE_ERROR)) == MESSAGE_REPLY && header.id == id);
	with = CMSG_FIRSTHDR(&message);
	if (with && with->cmsg_type == SCM_RIGHTS)
		memcpy(&device, CMSG_DATA(with), sizeof device);
}

static void runtime_open(const char *path)
{
	static const char version[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":1}}";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char reply[LARGEST];

	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	connection = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) < 0)
		fail(path);
	exchange(VERSION, version, sizeof version, -1, reply, sizeof reply);
}

static void runtime_region_info(struct vfio_region_info *info)
{
	exchange(DEVICE_GET_REGION_INFO, info, sizeof *info, -1, info, info->argsz);
}

static uint32_t runtime_read(uint32_t region, uint64_t offset)
{
	struct access access = { offset, region, sizeof access.data, 0 };

	exchange(REGION_READ, &access, sizeof access - sizeof access.data, -1, &access, sizeof access);
	return access.data;
}

static void runtime_command(uint16_t value)
{
	struct access access = { COMMAND, VFIO_PCI_CONFIG_REGION_INDEX, sizeof value, value };

	exchange(REGION_WRITE, &access, sizeof access - sizeof access.data + sizeof value, -1, &access, sizeof access);
}

static void runtime_map(uint64_t iova, int memory, void *at, uint64_t offset)
{
	struct dma_map map = { sizeof map, MESSAGE_READ | MESSAGE_WRITE, offset, iova, PIECE };

	(void)at;
	exchange(DMA_MAP, &map, sizeof map, memory, NULL, 0);
}

static void runtime_unmap(uint64_t iova)
{
	struct dma_unmap unmap = { sizeof unmap, 0, iova, PIECE };

	exchange(DMA_UNMAP, &unmap, sizeof unmap, -1, &unmap, sizeof unmap);
}

/* ---- measurements ---- */

static const struct way kernel = { "kernel", kernel_region_info, kernel_read, kernel_command, kernel_map, kernel_unmap };
static const struct way runtime = { "runtime", runtime_region_info, runtime_read, runtime_command, runtime_map, runtime_unmap };

static void tell(const struct way *way, const char *what, int64_t nanoseconds)
{
	printf("%s %s %lld\n", way->name, what, (long long)nanoseconds);
}

/* Of several passes the fastest is the one that nothing else has disturbed. */
static int64_t least(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

static void registers(const struct way *way, uint64_t offset)
{
	union {
		struct vfio_region_info info;
		char room[LARGEST];
	} region = { .info = { .argsz = sizeof region, .index = 0 } };
	int64_t mapped_best = INT64_MAX, other_best = INT64_MAX;
	const volatile uint32_t *mapped;
	void *page;

	way->region_info(&region.info);
	require("BAR0 cannot be mapped", device >= 0 && region.info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	way->command(COMMAND_MEMORY | COMMAND_MASTER);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device, region.info.offset + (offset & ~UINT64_C(4095)));
	if (page == MAP_FAILED)
		fail("mmap");
	mapped = page + offset % 4096;
	require("a register reads differently", way->read(0, offset) == *mapped);
	for (int pass = 0; pass < PASSES; pass++) {
		int64_t start = now();

		for (int i = 0; i < MAPPED_READS; i++)
			(void)*mapped;
		mapped_best = least(mapped_best, now() - start);
		start = now();
		for (int i = 0; i < OTHER_READS; i++)
			way->read(0, offset);
		other_best = least(other_best, now() - start);
	}
	munmap(page, 4096);
	tell(way, "mapped", mapped_best / MAPPED_READS);
	tell(way, "unmapped", other_best / OTHER_READS);
}

static void maps(const struct way *way, int memory, char *at, uint64_t size)
{
	int64_t map_best = INT64_MAX, unmap_best = INT64_MAX;

	for (int pass = 0; pass < PASSES; pass++) {
		int64_t start = now(), between;

		for (uint64_t offset = 0; offset < size; offset += PIECE)
			way->map(IOVA + offset, memory, at, offset);
		between = now();
		for (uint64_t offset = 0; offset < size; offset += PIECE)
			way->unmap(IOVA + offset);
		map_best = least(map_best, between - start);
		unmap_best = least(unmap_best, now() - between);
	}
	tell(way, "map", map_best);
	tell(way, "unmap", unmap_best);
}

int main(int argc, char **argv)
{
	uint64_t offset, size;
	int memory;
	char *at;

	if (argc != 6) {
		fprintf(stderr, "usage: costs GROUP ADDRESS SOCKET OFFSET MEGABYTES\n");
		return 1;
	}
	offset = strtoull(argv[4], NULL, 0);
	size = strtoull(argv[5], NULL, 0) << 20;
	memory = memfd_create("memory", 0);
	if (memory < 0 || ftruncate(memory, size) < 0)
		fail("memfd");
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
	if (at == MAP_FAILED)
		fail("mmap");

	kernel_open(argv[1], argv[2]);
	registers(&kernel, offset);
	maps(&kernel, memory, at, size);
	kernel_close();
	runtime_open(argv[3]);
	registers(&runtime, offset);
	maps(&runtime, memory, at, size);
	return 0;
}
