package vfio.pci.repository;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.osgi.framework.Version;
import org.osgi.framework.namespace.IdentityNamespace;
import org.osgi.resource.Capability;
import org.osgi.resource.Requirement;
import org.osgi.resource.Resource;
import org.osgi.service.repository.ExpressionCombiner;
import org.osgi.service.repository.Repository;
import org.osgi.service.repository.RepositoryContent;
import org.osgi.service.repository.RequirementBuilder;
import org.osgi.util.promise.Promise;
import vfio.pci.api.mediate.Mediates;

/** A repository service with drivers for Intel devices. It takes the filter as a hint, as it may. */
final class FakeRepository implements Repository {
    private final List<Capability> capabilities = new ArrayList<>();

    /** A bundle in it. */
    record Entry(String name, Version version, Supplier<byte[]> content) implements Resource, RepositoryContent {
        @Override
        public List<Capability> getCapabilities(String namespace) {
            return List.of(new Offered(
                    this,
                    IdentityNamespace.IDENTITY_NAMESPACE,
                    Map.of(
                            IdentityNamespace.IDENTITY_NAMESPACE, name,
                            IdentityNamespace.CAPABILITY_TYPE_ATTRIBUTE, IdentityNamespace.TYPE_BUNDLE,
                            IdentityNamespace.CAPABILITY_VERSION_ATTRIBUTE, version)));
        }

        @Override
        public List<Requirement> getRequirements(String namespace) {
            return List.of();
        }

        @Override
        public InputStream getContent() {
            return new ByteArrayInputStream(content.get());
        }
    }

    private record Offered(Resource getResource, String getNamespace, Map<String, Object> getAttributes)
            implements Capability {
        @Override
        public Map<String, String> getDirectives() {
            return Map.of();
        }
    }

    FakeRepository with(String name, String version, Map<String, Object> offer, byte[] content) {
        Entry entry = new Entry(name, Version.valueOf(version), () -> content);
        capabilities.add(new Offered(entry, Mediates.NAMESPACE, offer));
        return this;
    }

    @Override
    public Map<Requirement, Collection<Capability>> findProviders(Collection<? extends Requirement> requirements) {
        Map<Requirement, Collection<Capability>> found = new HashMap<>();
        requirements.forEach(requirement -> found.put(
                requirement,
                requirement.getNamespace().equals(Mediates.NAMESPACE)
                                && requirement.getDirectives().get("filter").equals("(vendor=8086)")
                        ? capabilities
                        : List.of()));
        return found;
    }

    @Override
    public Promise<Collection<Resource>> findProviders(org.osgi.service.repository.RequirementExpression expression) {
        throw new UnsupportedOperationException();
    }

    @Override
    public ExpressionCombiner getExpressionCombiner() {
        throw new UnsupportedOperationException();
    }

    @Override
    public RequirementBuilder newRequirementBuilder(String namespace) {
        throw new UnsupportedOperationException();
    }
}
