package vfio.pci.core;

/** What an administrator chose for disablable areas. */
enum TrapPolicy {
    /** Trapped from open on, for every client. */
    ALWAYS,
    /** Mapped until they have to be trapped, for clients that can be told; trapped from open on for others. */
    DYNAMIC,
    /** Mapped, for every client; requests to trap them are refused. */
    NEVER
}
