// A table of texts: one element for the server however many rows it has.
// On a phone each row stands as a block of its own, so the roles are said outright.
// A cell is a text, or { text, href, chip, title }.
export default {
  template: `
    <div class="pc-scroll" role="region" :aria-label="caption" tabindex="0">
      <table class="pc-table" role="table">
        <caption class="pc-hidden">{{ caption }}</caption>
        <thead role="rowgroup"><tr role="row"><th v-for="name in columns" :key="name" scope="col" role="columnheader">{{ name }}</th></tr></thead>
        <tbody role="rowgroup">
          <tr v-for="(row, i) in rows" :key="i" role="row">
            <td v-for="(cell, j) in row" :key="j" role="cell" :data-label="columns[j]">
              <a v-if="cell.href" :href="cell.href" :title="cell.title">{{ cell.text }}</a>
              <span v-else-if="cell.chip" :class="'pc-chip pc-' + cell.chip">{{ cell.text }}</span>
              <span v-else-if="cell.text !== undefined" :title="cell.title">{{ cell.text }}</span>
              <template v-else>{{ cell }}</template>
            </td>
          </tr>
        </tbody>
      </table>
      <p v-if="!rows.length" class="pc-quiet">{{ nothing }}</p>
    </div>`,
  props: { caption: String, columns: Array, rows: Array, nothing: String },
};
