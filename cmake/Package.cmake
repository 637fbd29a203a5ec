# `cmake --install` and `cpack -G DEB`, both from a release build.
#   bin/                 the programs (co_program())
#   share/cohort/        the population model and what else programs read
#   lib/systemd/, lib/sysusers.d/, lib/tmpfiles.d/   units (docker/systemd/)
#   share/doc/cohort/    README, docs/, examples/, licence, changelog

# What programs read at run time is made in data/: `programs` makes it too.
get_property(data_targets DIRECTORY ${PROJECT_SOURCE_DIR}/data
             PROPERTY BUILDSYSTEM_TARGETS)
foreach(target ${data_targets})
  get_target_property(left_out ${target} EXCLUDE_FROM_ALL)
  if(NOT left_out)
    add_dependencies(programs ${target})
  endif()
endforeach()

install(FILES README.md CHANGELOG.md LICENSE
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/cohort OPTIONAL)
install(DIRECTORY docs examples
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/cohort
        FILES_MATCHING PATTERN "*.md" PATTERN "*.yaml" PATTERN "*.py"
        PATTERN "*.json")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "Cohort maintainers <maintainers@cohort.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# Libraries are found by dpkg-shlibdeps.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# `cohort run` starts a redis-server to show how it goes, and goes on without:
# machines that run workers or brokers alone need none.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "redis-server (>= 5:7)")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/docker/systemd/postinst
    ${PROJECT_SOURCE_DIR}/docker/systemd/prerm)
include(CPack)
