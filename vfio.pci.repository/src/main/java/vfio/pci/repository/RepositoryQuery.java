package vfio.pci.repository;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.Version;
import org.osgi.framework.namespace.IdentityNamespace;
import org.osgi.resource.Capability;
import org.osgi.resource.Requirement;
import org.osgi.resource.Resource;
import org.osgi.service.repository.Repository;
import org.osgi.service.repository.RepositoryContent;
import vfio.pci.api.mediate.Mediates;
import vfio.pci.api.pci.PciIds;

/** Asks a repository service for the bundles that say they can mediate a device. */
final class RepositoryQuery {
    /** What the locations of bundles from repository services begin with. */
    static final String SCHEME = "vfio.pci.repository:";

    private RepositoryQuery() {}

    static List<Candidate> find(Object service, PciIds ids) {
        Repository repository = (Repository) service;
        Need need = new Need(Mediates.NAMESPACE, "(vendor=" + PciIds.hex4(ids.vendor()) + ")");
        Map<Requirement, Collection<Capability>> found = repository.findProviders(List.of(need));
        List<Candidate> candidates = new ArrayList<>();
        for (Capability capability : found.getOrDefault(need, List.of())) {
            if (offer(capability.getAttributes()).matches(ids)) {
                candidate(capability.getResource()).ifPresent(candidates::add);
            }
        }
        return candidates;
    }

    private static Offer offer(Map<String, Object> attributes) {
        Object device = attributes.get("device");
        return new Offer(
                String.valueOf(attributes.get("vendor")),
                device instanceof Collection<?> devices
                        ? devices.stream().map(String::valueOf).toList()
                        : Optional.ofNullable(device).map(String::valueOf).stream()
                                .toList(),
                String.valueOf(attributes.getOrDefault("class", "")));
    }

    private static Optional<Candidate> candidate(Resource resource) {
        if (!(resource instanceof RepositoryContent content)) {
            return Optional.empty();
        }
        return resource.getCapabilities(IdentityNamespace.IDENTITY_NAMESPACE).stream()
                .map(Capability::getAttributes)
                .filter(identity ->
                        IdentityNamespace.TYPE_BUNDLE.equals(identity.get(IdentityNamespace.CAPABILITY_TYPE_ATTRIBUTE)))
                .findFirst()
                .map(identity -> {
                    String name = String.valueOf(identity.get(IdentityNamespace.IDENTITY_NAMESPACE));
                    Version version = version(identity.get(IdentityNamespace.CAPABILITY_VERSION_ATTRIBUTE));
                    return new Candidate(name, version, SCHEME + name + "/" + version, version, content::getContent);
                });
    }

    private static Version version(@Nullable Object attribute) {
        return attribute instanceof Version version
                ? version
                : Version.parseVersion(attribute == null ? "" : attribute.toString());
    }
}
