/** What all nodes say of themselves, as a directory collected it. @module */
import { malformed } from '../../foundation/base/errors.ts'
import type { DirectoryClient } from '../../network/topology/directoryClient.ts'
import { type DescribedNode, decodeDescribedNodes } from '../../protocol/wire/directory/describedNodes.ts'
import { MAX_NODES } from '../../protocol/wire/directory/epochs.ts'

const MAX_PAGES = 256

/** All pages. Throws TOPOLOGY_UNAVAILABLE, MALFORMED. */
export function describedNodes(directory: DirectoryClient): Promise<readonly DescribedNode[]> {
  return directory.ask(async (one) => {
    const nodes: DescribedNode[] = []
    for (let number = 0; ; number++) {
      const { pagination, items } = await one.get(`/v1/nym-nodes/described?page=${number}`, decodeDescribedNodes)
      if (pagination.total > MAX_NODES) throw malformed('described nodes', `more than ${MAX_NODES}`)
      nodes.push(...items)
      if (nodes.length >= pagination.total) return nodes
      if (items.length === 0 || number >= MAX_PAGES) throw malformed('described nodes', 'end before their total')
    }
  })
}
